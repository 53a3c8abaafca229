package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// logLines takes a log in.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns the lines since the last call.
func (l *logLines) take(t *testing.T) (lines []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	l.text.Reset()
	return lines
}

func (l *logLines) option() harness.Option {
	return harness.Configure(func(c *app.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
	})
}

// named returns the lines with the message.
func named(lines []map[string]any, msg string) (out []map[string]any) {
	for _, l := range lines {
		if l["msg"] == msg {
			out = append(out, l)
		}
	}
	return out
}

// Every line of a backup run names the run, whatever goes wrong: the change log cannot
// be written, a table fails, retention removes and then cannot.
func TestEveryLineOfARunNamesIt(t *testing.T) {
	log := &logLines{}
	// The clock stands still, so that nothing but runs has anything to say.
	h := harness.New(t, harness.Tables("a", "b"), harness.FakeClock(noon), log.option(), harness.Configure(func(c *app.Config) {
		c.Keep, c.LogWindow = 1, 1
	}))
	for range 2 {
		h.Put("a", "k", "v")
		h.Backup()
		h.Clock.Advance(1)
	}
	log.take(t)
	refused := h.TableProbe("b").On(harness.Flush).Refuse(errors.New("refused"))
	h.FS.On(harness.OpCreate, "vault/log/*").Fail(syscall.EIO)
	h.Put("a", "k", "w")
	run, err := h.Hub().Backup(t.Context())
	require.Error(t, err)
	require.Equal(t, app.StatusPartial, run.Status)
	lines := log.take(t)
	require.NotEmpty(t, named(lines, "the change log could not be written before the cut"))
	for _, l := range lines {
		require.Equal(t, run.ID, l["run"], l)
		require.Equal(t, "hub", l["hub"], l)
	}
	complete := named(lines, "backup complete")
	require.Len(t, complete, 1, "one line an event")
	require.Equal(t, "ERROR", complete[0]["level"], "not all is well")
	require.Equal(t, "partial", complete[0]["status"])
	require.Contains(t, complete[0]["err"], "b: refused")
	refused.Lift()
}

func TestRetentionNamesRunTableAndSnapshot(t *testing.T) {
	log := &logLines{}
	h := harness.New(t, harness.Tables("a"), harness.Offline(), log.option(), harness.Configure(func(c *app.Config) {
		c.Keep, c.LogInterval = 1, -1
	}))
	h.Put("a", "k", "v")
	first := h.Backup()
	h.Put("a", "k", "w")
	second := h.Backup()
	removed := named(log.take(t), "retention removed a snapshot")
	require.Len(t, removed, 1)
	require.Equal(t, second.ID, removed[0]["run"])
	require.Equal(t, "a", removed[0]["table"])
	require.Equal(t, first.Results[0].Snapshot, removed[0]["snapshot"])
}

// Each event is one line, in the words of its JSON.
func TestAnEventIsOneLine(t *testing.T) {
	log := &logLines{}
	h := harness.New(t, harness.Tables("a", "b"), log.option())
	h.Put("a", "k", "v")
	run := h.Backup()
	_, err := h.Hub().Drill(t.Context())
	require.NoError(t, err)
	_, err = h.Hub().Compact(t.Context(), "a")
	require.NoError(t, err)
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
	require.NoError(t, err)
	h.Expect(harness.RecoveryComplete("a"))
	lines := log.take(t)
	for _, e := range h.Events() {
		got := named(lines, strings.ReplaceAll(string(e.Type), "_", " "))
		require.Len(t, got, 1, "%s", e.Type)
		require.Equal(t, e.ID, got[0]["event"])
		require.Equal(t, "INFO", got[0]["level"])
	}
	require.Equal(t, run.ID, named(lines, "backup complete")[0]["run"])
	require.EqualValues(t, 2, named(lines, "backup complete")[0]["tables_success"])
	require.Equal(t, "a", named(lines, "recovery complete")[0]["table"])
	require.Equal(t, "a", named(lines, "compaction complete")[0]["tables"])
}

// The lines of a table's store name it, Badger's own too.
func TestLinesOfAStoreNameTheTable(t *testing.T) {
	log := &logLines{}
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline = []string{"a", "b"}, true
	cfg.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := open(t, cfg)
	_, err := table(t, h, "a").Put(context.Background(), []byte("k"), []byte("v"))
	require.NoError(t, err)
	shut(t, h)
	found := 0
	for _, l := range log.take(t) {
		if strings.HasPrefix(l["msg"].(string), "badger: ") {
			require.Contains(t, []any{"a", "b"}, l["table"], l)
			found++
		}
	}
	require.Positive(t, found)
}

// A backup that is too old is one line, too, though nothing runs that could say so.
func TestAStaleBackupIsOneLine(t *testing.T) {
	log := &logLines{}
	h := harness.New(t, harness.Tables("a"), harness.FakeClock(noon), log.option())
	h.Backup()
	require.NoError(t, h.Clock.BlockUntilContext(t.Context(), 1))
	stop, done := make(chan struct{}), sync.WaitGroup{}
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				h.Advance(time.Hour)
			}
		}
	})
	e := h.Expect(harness.Event(app.BackupStale))
	close(stop)
	done.Wait()
	found := 0
	for _, l := range log.take(t) {
		if l["event"] == e.ID {
			require.Equal(t, "ERROR", l["level"])
			require.Equal(t, "2026-11-22T12:00:00Z", l["last_backup_at"])
			found++
		}
		require.NotEqual(t, "the last backup is too old", l["msg"])
	}
	require.Equal(t, 1, found)
}
