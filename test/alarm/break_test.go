package alarm

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// A change log that cannot be written for longer than the tables keep for it has a break:
// health and the list show it, and a full backup closes it as soon
// as the vault takes one. The log says so now and then, not each second.
func TestTheChangeLogBreaks(t *testing.T) {
	log := &lines{}
	h := calm(t, harness.Configure(func(c *app.Config) {
		c.LogCap, c.Logger = 10_000, slog.New(slog.NewTextHandler(log, nil))
	}))
	has := func(condition string) bool {
		return slices.ContainsFunc(h.Hub().Health(t.Context()).Conditions, func(c string) bool { return strings.HasPrefix(c, condition) })
	}
	spans := func() []app.Restorable {
		list, err := h.Hub().List(t.Context(), "a")
		require.NoError(t, err)
		return list.Ranges
	}
	h.Put("a", "k", "before")
	h.Backup()
	require.Len(t, spans(), 1)

	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	for i := range 3 {
		h.Put("a", string(rune('l'+i)), string(make([]byte, 5000)))
	}
	until(t, h, time.Second, "the log breaks", func() bool { return has("change log has a break since ") })
	written := spans()[0].To
	began := h.Clock.Now()
	until(t, h, time.Second, "three minutes", func() bool { return h.Clock.Now().Sub(began) > 3*time.Minute })
	require.LessOrEqual(t, log.count("the change log cannot be written"), 6)
	require.Positive(t, log.count("the change log cannot be written"))
	require.LessOrEqual(t, log.count("the change log has a break"), 6)
	require.Positive(t, log.count("the change log has a break"))
	require.Equal(t, written, spans()[0].To, "what is listed can be restored")

	away.Lift()
	until(t, h, time.Second, "a backup closes it", func() bool { return !has("change log has a break since ") })
	h.Expect(harness.BackupComplete("").With("trigger", "schedule"))
	require.Len(t, spans(), 2, "the break lies between")
	require.Equal(t, 1, log.count("the change log is written again"))
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
	require.NoError(t, err)
	require.Equal(t, string(make([]byte, 5000)), h.Get("a", "n"))
}
