package vault

import (
	"errors"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/stretchr/testify/require"
)

func TestListAndResolve(t *testing.T) {
	v := newTestVault(t)
	l, err := v.List()
	require.NoError(t, err)
	require.Empty(t, l.Snapshots)
	for m := range 3 {
		backup(t, v, m, records(m), "task", "task_queue")
	}
	require.Equal(t, append(snapsAt("task", 2, 1, 0), snapsAt("task_queue", 2, 1, 0)...), listed(t, v))
	require.Equal(t, snapsAt("task", 2, 1, 0), listed(t, v, "task"))
	tables, err := v.Tables()
	require.NoError(t, err)
	require.Equal(t, []string{"task", "task_queue"}, tables)
	require.Empty(t, listed(t, v, "tas"))
	_, err = v.List("../x")
	require.ErrorIs(t, err, storage.ErrInvalidName)
	for ref, minute := range map[string]int{Latest: 2, nameAt(1): 1, runAt(0): 0} {
		s, err := v.Resolve("task", ref)
		require.NoError(t, err)
		require.Equal(t, nameAt(minute), s.Name)
		require.Equal(t, uint64(minute), s.Records)
		require.Equal(t, cutAt(minute), s.Cut)
	}
	_, err = v.Resolve("task", "nonsense")
	var n *NoSnapshotError
	require.True(t, errors.As(err, &n))
	require.Equal(t, []string{nameAt(2), nameAt(1), nameAt(0)}, n.Have)
	require.ErrorContains(t, err, nameAt(1))
	_, err = v.Resolve("tas", Latest)
	require.ErrorIs(t, err, ErrNoSnapshot)
	require.ErrorContains(t, err, "none that is complete")
}

// Two cuts in one millisecond: the version decides, not the name.
func TestLatestIsByCut(t *testing.T) {
	v := newTestVault(t)
	for i, run := range []string{"zzzzzzzz", "mmmmmmmm", "aaaaaaaa"} {
		cut := storage.VersionAt(epoch) + storage.Version(i)
		_, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", run, cut, storage.Ledger{}}, Source{Entries: seq(nil)}, WriteOptions{})
		require.NoError(t, err)
	}
	s, err := v.Resolve("t", Latest)
	require.NoError(t, err)
	require.Equal(t, "aaaaaaaa", s.Run)
	top, err := v.MaxVersion()
	require.NoError(t, err)
	require.Equal(t, storage.VersionAt(epoch)+2, top)
}

// A break of the change log shows as a second stretch, which begins at the snapshot
// that closed it.
func TestListShowsBreaks(t *testing.T) {
	v := newTestVault(t)
	l, err := v.List("task")
	require.NoError(t, err)
	require.Empty(t, l.Ranges)
	lost := ledgerOf(t, records(3))
	lost.Commits = 3
	for i, s := range []changelog.TableState{{}, {Before: lost, After: lost, Break: true}} {
		s.Table, s.Through = "task", cutAt(i*2)
		_, err := v.Log().Append(t.Context(), changelog.Head{From: v.Log().Through(), To: s.Through, Tables: []changelog.TableState{s}}, nil)
		require.NoError(t, err)
	}
	first := Restorable{Table: "task", From: v.born(), FromAt: At(v.born().Time()), To: cutAt(0), ToAt: At(cutAt(0).Time())}
	l, err = v.List()
	require.NoError(t, err)
	require.Equal(t, []Restorable{first}, l.Ranges, "nothing to begin from behind the break")
	backup(t, v, 1, records(3), "task")
	l, err = v.List("task")
	require.NoError(t, err)
	require.Equal(t, []Restorable{first, {Table: "task", From: cutAt(1), FromAt: At(cutAt(1).Time()), To: cutAt(2), ToAt: At(cutAt(2).Time())}}, l.Ranges)
}
