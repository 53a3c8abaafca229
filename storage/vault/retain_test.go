package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

func snapsAt(table string, minutes ...int) (names []string) {
	for _, m := range minutes {
		names = append(names, table+"/"+nameAt(m))
	}
	return names
}

func retain(t *testing.T, v *Vault, table string, keep int) []string {
	t.Helper()
	removed, err := v.Retain(t.Context(), table, keep, 0)
	require.NoError(t, err)
	return removed
}

func TestRetainKeepsTheNewest(t *testing.T) {
	v := newTestVault(t)
	for m := range 5 {
		backup(t, v, m, records(m), "task", "task_queue", "task.queue")
	}
	require.Equal(t, []string{nameAt(0), nameAt(1)}, retain(t, v, "task", 3))
	require.Equal(t, snapsAt("task", 4, 3, 2), listed(t, v, "task"))
	require.Len(t, listed(t, v, "task_queue"), 5) // exact names, never prefixes
	require.Len(t, listed(t, v, "task.queue"), 5)
	require.Empty(t, retain(t, v, "task", 3))
	require.Empty(t, retain(t, v, "never-seen", 3))
	clean(t, v)
	require.Empty(t, temps(t, disk.OS, v.Dir()))
	_, err := v.Retain(t.Context(), "task", 0, 0)
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = v.Retain(t.Context(), "../task", 1, 0)
	require.ErrorIs(t, err, storage.ErrInvalidName)
}

func TestRetainKeepsTheNewestProvenBesides(t *testing.T) {
	v := newTestVault(t)
	v.build = fakeBuild
	for m := range 6 {
		backup(t, v, m, records(m), "t")
		if m == 1 || m == 2 {
			_, err := v.Drill(t.Context(), "t", nameAt(m), t.TempDir())
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{nameAt(0), nameAt(1), nameAt(3)}, retain(t, v, "t", 2))
	require.Equal(t, snapsAt("t", 5, 4, 2), listed(t, v))
	proofs, _ := filepath.Glob(v.path(proofsName, "t", "*"))
	require.Len(t, proofs, 1) // the removed snapshot's proof went with it
	_, err := v.Drill(t.Context(), "t", nameAt(5), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, []string{nameAt(2)}, retain(t, v, "t", 2))
	clean(t, v)
}

// However long it goes on, the window keeps one snapshot below its start, and a few
// in it, so that its start never runs away from what is kept.
func TestRetainKeepsWhatTheWindowNeeds(t *testing.T) {
	const window = 40 * time.Minute
	v := newTestVault(t)
	for m := range 120 {
		backup(t, v, m, records(m%7), "t")
		v.now = func() time.Time { return cutAt(m).Time() }
		_, err := v.Retain(t.Context(), "t", 3, window)
		require.NoError(t, err)
		snaps := listed(t, v, "t")
		require.LessOrEqual(t, len(snaps), 3+anchorsPerWindow+1)
		l, err := v.List("t")
		require.NoError(t, err)
		oldest := v.now().Sub(*l.Snapshots[len(l.Snapshots)-1].CutAt)
		require.Less(t, oldest, window+window/anchorsPerWindow+time.Minute)
		if m > 52 { // before, the log goes back to the begin
			require.GreaterOrEqual(t, oldest, window)
		}
	}
}

// Three failed backups in a row evict nothing.
func TestFailedBackupsEvictNothing(t *testing.T) {
	v := newTestVault(t)
	for m := range 3 {
		backup(t, v, m, records(m), "t")
	}
	bad := records(5)
	bad[2].Envelope[12] ^= 1
	for m := 3; m < 6; m++ {
		_, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", runAt(m), cutAt(m), ledgerOf(t, records(5))}, Source{Entries: seq(bad)}, WriteOptions{})
		require.ErrorIs(t, err, storage.ErrDamaged)
		run := Run{ID: runAt(m), Cut: cutAt(m), Results: []Result{{Table: "t", Status: StatusError, Error: err.Error()}}}
		run.Tally()
		require.NoError(t, v.WriteRun(run))
		require.Empty(t, retain(t, v, "t", 3))
	}
	require.Equal(t, snapsAt("t", 2, 1, 0), listed(t, v))
	// The same with copies that were damaged after they were made.
	for m := 6; m < 9; m++ {
		s := backup(t, v, m, records(m), "t")[0]
		overwrite(t, filepath.Join(s.Path, partName(1)), nil)
		require.Empty(t, retain(t, v, "t", 3))
	}
	require.Equal(t, snapsAt("t", 2, 1, 0), listed(t, v))
	require.Len(t, problems(t, v), 3)
}

func TestRetainLeavesWhatIsInUse(t *testing.T) {
	v := newTestVault(t)
	for m := range 3 {
		backup(t, v, m, records(m), "t")
	}
	release, err := v.Hold("t", nameAt(0))
	require.NoError(t, err)
	again, err := v.Hold("t", nameAt(0))
	require.NoError(t, err)
	release()
	release() // once counts
	require.Equal(t, []string{nameAt(1)}, retain(t, v, "t", 1))
	again()
	require.Equal(t, []string{nameAt(0)}, retain(t, v, "t", 1))
	unclaim, ok := v.claim("t", nameAt(2))
	require.True(t, ok)
	_, err = v.Hold("t", nameAt(2))
	require.ErrorIs(t, err, ErrNoSnapshot)
	unclaim()
	clean(t, v)
}

// A removal that was recorded but not made must not excuse a later loss.
func TestInterruptedRemovalIsForgottenWhenKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	rec := disktest.NewTap(disk.OS, dir)
	v := openVault(t, rec, dir)
	for m := range 2 {
		backup(t, v, m, records(m), "t")
	}
	rec.Before(func(c disktest.Call) error {
		if c.Verb == disktest.Rename && filepath.Base(c.To) == tempRemoved(0) {
			return errors.New("no")
		}
		return nil
	})
	removed, err := v.Retain(t.Context(), "t", 1, 0)
	require.Error(t, err)
	require.Empty(t, removed)
	rec.Before(nil)
	clean(t, v)
	require.Empty(t, retain(t, v, "t", 2))
	require.NoError(t, os.RemoveAll(v.snapDir("t", nameAt(0))))
	require.Len(t, problems(t, v), 1)
}

func tempRemoved(minute int) string { return ".tmp-removed-" + nameAt(minute) }

func TestRetainStopsWithTheContext(t *testing.T) {
	v := newTestVault(t)
	for m := range 3 {
		backup(t, v, m, nil, "t")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	removed, err := v.Retain(ctx, "t", 1, 0)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, removed)
}

func TestRecordsAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a thousand records")
	}
	v := newTestVault(t)
	backup(t, v, 0, nil, "t")
	for m := 1; m <= keepRuns+20; m++ {
		require.NoError(t, v.WriteRun(Run{ID: runAt(m), Cut: cutAt(m), Status: StatusFailed}))
	}
	retain(t, v, "t", 3)
	runs, ps, err := v.Runs(0)
	require.NoError(t, err)
	require.Empty(t, ps)
	require.Len(t, runs, keepRuns+1) // the oldest has a snapshot
	require.Equal(t, runAt(0), runs[keepRuns].ID)
	clean(t, v)
}
