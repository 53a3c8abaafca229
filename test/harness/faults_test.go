package harness_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// partial backs up, expects the named table alone to fail, and returns why.
func partial(t *testing.T, h *harness.Harness, table string) string {
	t.Helper()
	run, err := h.Hub().Backup(t.Context())
	var failure *app.RunError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, []string{table}, run.TablesFailed)
	h.Expect(harness.BackupComplete(run.ID).With("status", "partial"), harness.Not(harness.BackupFailed("")))
	for _, r := range run.Results {
		if r.Table == table {
			return r.Error
		}
	}
	return ""
}

// healthy writes, backs up everything, and drills it.
func healthy(t *testing.T, h *harness.Harness) {
	t.Helper()
	for _, name := range h.Hub().Tables() {
		h.Put(name, "afterwards", "v")
	}
	h.Backup()
	report, err := h.Hub().Drill(t.Context())
	require.NoError(t, err)
	require.Equal(t, app.StatusOK, report.Status, report.Problems)
}

func TestAFlushThatFails(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	fault := h.TableProbe("a").On(harness.Flush).Refuse(errors.New("the flush fails"))
	require.Contains(t, partial(t, h, "a"), "the flush fails")
	fault.Lift()
	healthy(t, h)
}

func TestAFlushThatHangsAndComesLate(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.PinWithin(100*time.Millisecond))
	h.Put("a", "k", "v")
	late := h.TableProbe("a").On(harness.Flush).Hold()
	require.Contains(t, partial(t, h, "a"), "did not pin in time")
	h.Put("a", "k", "w") // it was excused, so it goes on
	late.Lift()
	h.TableProbe("a").Await(harness.Flush)
	h.TableProbe("a").On(harness.Flush).Nth(1).Drop()
	partial(t, h, "a")
	healthy(t, h)
}

func TestACopyThatIsSlowOrFailsAtAByte(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	h.Workload("a", 1).Run(100)
	slow := h.FS.On(harness.OpWrite, "vault/tables/a/*.frames*").Hold()
	done := make(chan app.Run, 1)
	go func() {
		run, _ := h.Hub().Backup(t.Context())
		done <- run
	}()
	slow.Wait()
	h.Workload("a", 1).Run(50) // no commit waits for a copy
	slow.Lift()
	require.Equal(t, app.StatusComplete, (<-done).Status)

	for _, at := range []int64{0, 1, 100, 1000} {
		broken := h.FS.On(harness.OpWrite, "vault/tables/a/*.frames*").AtByte(at).Fail(syscall.EIO)
		require.Contains(t, partial(t, h, "a"), "input/output error")
		require.Equal(t, 1, broken.Hits())
		broken.Lift()
	}
	report, err := h.Hub().Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, app.StatusOK, report.Status, "a broken copy leaves nothing: %v", report.Problems)
	h.Workload("a", 1).Check()
}

func TestADiskThatIsFull(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	w := h.Workload("a", 1)
	w.Run(50)
	free := h.DiskFull()
	_, err := h.Table("a").Put(t.Context(), []byte("key-000"), nil)
	require.ErrorIs(t, err, storage.ErrNoSpace)
	require.Zero(t, w.Run(5))
	_, err = h.Hub().Backup(t.Context())
	require.ErrorContains(t, err, "no space left")
	h.Expect(harness.BackupFailed(""))
	free()
	w.Check()
	w.Run(50) // by itself
	w.Check()
	healthyVault(t, h)
}

func healthyVault(t *testing.T, h *harness.Harness) {
	t.Helper()
	h.Backup()
	report, err := h.Hub().Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, app.StatusOK, report.Status, report.Problems)
}

// A run that left no record has failed, however its tables went, and says why.
func TestARunThatCannotBeRecorded(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Put("a", "k", "v")
	fault := h.FS.On(harness.OpCreate, "vault/runs/*").Fail(syscall.EACCES)
	run, err := h.Hub().Backup(t.Context())
	require.ErrorIs(t, err, syscall.EACCES)
	require.Equal(t, app.StatusFailed, run.Status)
	require.Equal(t, 1, run.TablesSuccess)
	require.Contains(t, run.Problem, "the run could not be recorded")
	h.Expect(harness.BackupFailed(run.ID))
	fault.Lift()
	healthy(t, h)
}

func TestAVaultThatIsReadOnly(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Put("a", "k", "v")
	h.Backup()
	h.Expect(harness.BackupComplete(""))
	undo := h.VaultReadOnly()
	_, err := h.Hub().Backup(t.Context())
	require.ErrorContains(t, err, "read-only file system")
	h.Expect(harness.BackupFailed(""), harness.Not(harness.BackupComplete("")))
	h.Put("a", "k", "w")
	undo()
	healthy(t, h)
}

func TestATableWhoseStoreIsMissing(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	h.Put("a", "k", "v")
	h.Backup()
	h.Stop()
	h.LoseTable("a")
	h.Start()
	_, err := h.Table("a").Get(t.Context(), []byte("k"))
	require.ErrorIs(t, err, app.ErrLost)
	require.Contains(t, partial(t, h, "a"), "missing")
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
	require.NoError(t, err)
	h.Expect(harness.RecoveryComplete("a"))
	require.Equal(t, "v", h.Get("a", "k"))
	healthy(t, h)
}

// The run ends while NATS is away; its events arrive afterwards, in order.
func TestNATSThatIsAway(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.StopNATS()
	run := h.Backup()
	require.Empty(t, h.Events())
	h.StartNATS()
	h.Expect(harness.BackupStarted(run.ID), harness.BackupComplete(run.ID))

	h.StopNATS()
	again := h.Backup()
	h.Restart()
	h.Expect(harness.BackupStarted(again.ID), harness.BackupComplete(again.ID))
}

func TestASubscriberThatIsSlow(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	slow := h.SlowSubscriber()
	var runs []string
	for range 20 {
		runs = append(runs, h.Backup().ID)
	}
	for _, id := range runs {
		h.Expect(harness.BackupComplete(id)) // others do not wait for it
	}
	for _, id := range runs { // and it misses nothing
		started, err := slow.Next(t.Context())
		require.NoError(t, err)
		complete, err := slow.Next(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(started.Detail)+string(complete.Detail), id)
	}
}

func TestATablePanicsOnMessageN(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.FakeClock(noon))
	w := h.Workload("a", 1)
	w.Run(20)
	crash := h.TableProbe("a").On(harness.Apply).Nth(3).Panic()
	require.Less(t, w.Run(10), 10)
	require.Equal(t, 1, crash.Hits())
	h.Put("b", "others", "never notice")
	h.AwaitServing("a")
	w.Run(20)
	w.Check()
	healthyVault(t, h)
}
