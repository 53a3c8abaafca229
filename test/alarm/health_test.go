package alarm

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

func health(t *testing.T, h *harness.Harness) app.Health {
	t.Helper()
	return h.Hub().Health(h.Context())
}

// expect says that health has the status and exactly the conditions, which may go on.
func expect(t *testing.T, h *harness.Harness, status app.HealthStatus, conditions ...string) app.Health {
	t.Helper()
	out := health(t, h)
	require.Len(t, out.Conditions, len(conditions), "%q", out.Conditions)
	for _, c := range conditions {
		require.True(t, says(out, c), "%q in %q", c, out.Conditions)
	}
	require.Equal(t, status, out.Status)
	return out
}

func TestStaleIsExactlyAbove48Hours(t *testing.T) {
	h := calm(t)
	require.True(t, expect(t, h, app.HealthWarning, "backup never run").StaleBackup)
	h.Put("a", "k", "v")
	run := h.Backup()
	require.False(t, expect(t, h, app.HealthOK).StaleBackup)
	h.Clock.Advance(run.StartedAt.Add(48 * time.Hour).Sub(h.Clock.Now()))
	require.False(t, health(t, h).StaleBackup)
	h.Clock.Advance(time.Millisecond)
	require.True(t, expect(t, h, app.HealthWarning, "last backup 48 h ago").StaleBackup)
	h.Clock.Advance(2 * time.Hour)
	expect(t, h, app.HealthWarning, "last backup 50 h ago")

	// A backup that failed is none.
	undo := h.VaultReadOnly()
	_, err := h.Hub().Backup(h.Context())
	require.Error(t, err)
	require.True(t, health(t, h).StaleBackup)
	undo()
	h.Restart()
	require.True(t, health(t, h).StaleBackup, "a restart does not make it younger")
}

func TestFragmentedAndStaleIsUnhealthy(t *testing.T) {
	h := calm(t)
	h.Put("a", "k", "v")
	h.Put("a", "k", "w")
	h.Backup()
	require.NotZero(t, expect(t, h, app.HealthOK).Tables[0].Fragmentation, "a few bytes are no condition")
	fragment(t, h, "a", 100, 75)
	out := expect(t, h, app.HealthWarning, "fragmentation above 50 %: a")
	require.True(t, out.HighFragmentation)
	h.Advance(50 * time.Hour)
	eventually(t, "the log catches up", func() bool { return !says(health(t, h), "change log") })
	expect(t, h, app.HealthUnhealthy, "fragmentation above 50 %: a", "last backup 50 h ago")
	_, err := h.Hub().Compact(h.Context())
	require.NoError(t, err)
	expect(t, h, app.HealthWarning, "last backup 50 h ago")
	h.Backup()
	expect(t, h, app.HealthOK)
}

// fragment writes records of 1 KiB and deletes so many of them.
func fragment(t *testing.T, h *harness.Harness, table string, all, deleted int) {
	t.Helper()
	value := bytes.Repeat([]byte("v"), 1<<10)
	write(t, h, table, all, func(i int) app.Op { return app.Op{Key: fmt.Append(nil, i), Value: value} })
	write(t, h, table, deleted, func(i int) app.Op { return app.Op{Key: fmt.Append(nil, i), Delete: true} })
}

func TestUnprovenAndLeftOut(t *testing.T) {
	h := calm(t, harness.Tables("a", "b"))
	h.Backup()
	h.Advance(49 * time.Hour)
	h.Backup("a")
	expect(t, h, app.HealthWarning, "no snapshot for 48 h: b")
	h.Advance(24 * time.Hour)
	h.Backup()
	expect(t, h, app.HealthWarning, "unproven for 3 days: a, b")
	_, err := h.Hub().Drill(h.Context(), "a")
	require.NoError(t, err)
	expect(t, h, app.HealthWarning, "unproven for 3 days: b")
}

func TestChangeLogBehind(t *testing.T) {
	h := calm(t)
	h.Backup()
	h.Advance(29 * time.Second) // an idle hub's log is not behind
	writes := h.FS.On(harness.OpCreate, "vault/log/*").Fail(syscall.EIO)
	h.Put("a", "k", "v")
	expect(t, h, app.HealthOK)
	h.Advance(10 * time.Second)
	expect(t, h, app.HealthOK)
	h.Advance(30 * time.Second)
	out := health(t, h)
	require.True(t, says(out, "change log 40 s behind"), "%q", out.Conditions)
	require.Equal(t, app.HealthWarning, out.Status)
	writes.Lift()
	until(t, h, time.Second, "the log goes on", func() bool { return health(t, h).Status == app.HealthOK })
}

func TestDisks(t *testing.T) {
	var used [2]atomic.Uint64 // data, vault
	var same atomic.Bool
	used[0].Store(91)
	used[1].Store(89)
	h := calm(t, harness.Configure(func(c *app.Config) {
		c.Hooks.Free = func(dir string) (uint64, uint64, error) {
			if strings.HasSuffix(dir, "vault") {
				return 100 - used[1].Load(), 100, nil
			}
			return 100 - used[0].Load(), 100, nil
		}
		c.Hooks.SameDevice = func(string, string) (bool, error) { return same.Load(), nil }
	}))
	h.Backup()
	expect(t, h, app.HealthWarning, "the data's disk 91 % full")
	used[1].Store(97)
	expect(t, h, app.HealthWarning, "the data's disk 91 % full", "the vault's disk 97 % full")
	same.Store(true)
	expect(t, h, app.HealthWarning, "vault on the data's disk", "disk 91 % full")
	used[0].Store(89)
	expect(t, h, app.HealthWarning, "vault on the data's disk")
}

func TestATableThatIsDown(t *testing.T) {
	h := calm(t, harness.Tables("a", "b"))
	h.Backup()
	h.Stop()
	h.LoseTable("b")
	h.Start()
	out := expect(t, h, app.HealthUnhealthy, "table b is unavailable: ")
	require.Equal(t, app.Serving, out.Tables[0].Status)
	require.Equal(t, app.Unavailable, out.Tables[1].Status)
}

func TestABackupThatDoesNotEnd(t *testing.T) {
	h := calm(t, harness.Schedule("@every 24h"))
	h.Put("a", "k", "v")
	h.Backup()
	copying := h.FS.On(harness.OpCreate, "vault/tables/*").Hold()
	h.Put("a", "k", "w")
	done := make(chan error, 1)
	go func() {
		_, err := h.Hub().Backup(h.Context())
		done <- err
	}()
	copying.Wait()
	expect(t, h, app.HealthOK)
	h.Advance(3 * time.Hour)
	expect(t, h, app.HealthWarning, "a backup has been under way for 3 h: a")
	copying.Lift()
	require.NoError(t, <-done)
	eventually(t, "it has ended", func() bool { return health(t, h).Status == app.HealthOK })

	// An actor that does not do what is due.
	held := h.BackupProbe().On(harness.Scheduled).Hold()
	h.Advance(21*time.Hour + 20*time.Minute)
	eventually(t, "it is late", func() bool { return says(health(t, h), "the scheduled backup is 20 min late") })
	held.Lift()
	eventually(t, "it goes on", func() bool { return health(t, h).Status == app.HealthOK })
}

// Health answers in time where the vault's disk hangs, and writes never notice.
func TestTheVaultHangs(t *testing.T) {
	h := calm(t)
	run := h.Backup()
	before := expect(t, h, app.HealthOK)
	held := []*harness.FileFault{h.FS.On(harness.OpReadDir, "vault/*").Hold(), h.FS.On(harness.OpOpen, "vault/*").Hold()}
	for range 3 {
		out := expect(t, h, app.HealthWarning, "the vault has not answered for ")
		require.Equal(t, run.StartedAt, out.LastBackupAt)
		require.Equal(t, before.LastBackupResults, out.LastBackupResults)
		require.Equal(t, before.Tables, out.Tables)
		h.Put("a", "k", "v")
		before.Tables = health(t, h).Tables
	}
	for _, f := range held {
		f.Lift()
	}
	eventually(t, "it answers", func() bool { return health(t, h).Status == app.HealthOK })
}

// A compaction that takes long does not keep health waiting.
func TestHealthBesideACompaction(t *testing.T) {
	h := calm(t)
	h.Backup()
	staging := h.TableProbe("a").On(harness.Exchange).Hold()
	done := make(chan error, 1)
	go func() {
		_, err := h.Hub().Compact(h.Context())
		done <- err
	}()
	staging.Wait()
	expect(t, h, app.HealthOK)
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	_, err := h.Hub().Compact(ctx)
	require.ErrorIs(t, err, context.Canceled, "who has left waits no longer")
	staging.Lift()
	require.NoError(t, <-done)
}
