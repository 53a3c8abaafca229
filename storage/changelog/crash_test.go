package changelog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// small is a log of n segments with two commits each, one of table a and one of b.
func small(t testing.TB, l *Log, n int) (all []Commit, before map[string]storage.Ledger) {
	a, b := newTable("a"), newTable("b")
	before = map[string]storage.Ledger{"a": {}, "b": {}}
	for i := range n {
		v := storage.Version(10 * i)
		cs := []Commit{a.put(t, v+3, "k", fmt.Sprint(i)), b.put(t, v+7, fmt.Sprint(i), "value")}
		s := ship(v, v+10, before, cs...)
		s.append(t, l)
		before = s.afters()
		all = append(all, cs...)
	}
	return all, before
}

// more appends one segment with a commit of a, made from nothing but its ledger.
func more(t testing.TB, l *Log) (Commit, error) {
	last, _ := l.Last("a")
	a := newTable("a")
	a.ledger = last.After
	from := l.Through()
	c := a.put(t, from+3, "k", "more")
	s := ship(from, from+10, map[string]storage.Ledger{"a": last.After}, c)
	_, err := l.Append(t.Context(), s.head, s.commits)
	return c, err
}

// told is what a test was told of the log.
type told struct {
	end     storage.Version // commits up to here are in it
	removed storage.Version // segments up to here may be gone
}

// life is what happens in the crash tests. What is acknowledged it marks.
func life(t *testing.T, rec *disktest.Recorder, dir string) {
	l := openLog(t, rec, dir)
	grow := func() {
		for range 2 {
			_, err := more(t, l)
			require.NoError(t, err)
			rec.Mark(told{end: l.Through()})
		}
	}
	grow()
	done, err := l.Merge(t.Context(), MergeOptions{Fanout: 4})
	require.NoError(t, err)
	require.True(t, done)
	grow()
	rec.Mark(told{end: l.Through(), removed: 90})
	removed, err := l.Remove(t.Context(), 90)
	require.NoError(t, err)
	require.Greater(t, len(removed), 1) // one after another
}

// Wherever the power goes, and whatever becomes of what was not synced: what was
// acknowledged is there, the chain is whole, and the next start goes on.
func TestCrashAnywhere(t *testing.T) {
	const dir = "/log"
	disktest.Power(t, func(t *testing.T, _ uint64) disktest.Life {
		base := &disktest.Mem{}
		all, _ := small(t, openLog(t, base, dir), 6)
		rec, err := disktest.Record(base, disktest.Options{}, "/")
		require.NoError(t, err)
		life(t, rec, dir)
		return disktest.Life{Recorder: rec, Start: func(fsys disk.FS, step int) (func() error, error) {
			return afterCrash(t, fsys, dir, rec.MarksAt(step), all), nil
		}}
	})
}

func afterCrash(t *testing.T, d disk.FS, dir string, marks []any, all []Commit) (next func() error) {
	sure := told{end: 60}
	for _, m := range marks {
		sure = m.(told)
	}
	reader, err := Open(d, dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	l := openLog(t, d, dir)
	require.Equal(t, reader.Segments(), l.Segments())
	require.Empty(t, l.Problems())
	clean(t, l)
	entries, err := d.ReadDir(dir)
	require.NoError(t, err)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == beginName })
	require.Len(t, entries, len(l.Segments())) // no temporary names, nothing covered
	require.GreaterOrEqual(t, l.Through(), sure.end)
	if sure.removed == 0 {
		got, err := replayed(t, l, "a", storage.Ledger{}, 0, sure.end)
		require.NoError(t, err)
		equal(t, of(all, "a", 0, 60), got[:6])
		require.Len(t, got, int(sure.end/10))
	}
	return func() error {
		if _, err := more(t, l); err != nil {
			return err
		}
		_, err := l.Merge(t.Context(), MergeOptions{Fanout: 2})
		clean(t, l)
		return err
	}
}

// failing fails the nth change and those that more says.
func failing(n int, more func(c disktest.Call) bool) func(disktest.Call) error {
	seen := 0
	return func(c disktest.Call) error {
		if !c.Changes() {
			return nil
		}
		if seen++; seen == n || more != nil && more(c) {
			return storage.ErrNoSpace
		}
		return nil
	}
}

// An operation that fails while the machine runs on leaves nothing behind.
func TestEveryErrorOfAnAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	rec := disktest.NewTap(disk.OS, dir)
	l := openLog(t, rec, dir)
	small(t, l, 1)
	rec.Forget()
	_, err := more(t, l)
	require.NoError(t, err)
	require.Len(t, rec.Changes(), 5) // create, write, sync, rename, syncdir
	failed := 0
	for n := 1; ; n++ {
		rec.Before(failing(n, nil))
		before := l.Segments()
		_, err := more(t, l)
		rec.Before(nil)
		if err == nil {
			break // it has fewer changes
		}
		failed++
		require.ErrorIs(t, err, storage.ErrNoSpace)
		require.Equal(t, before, l.Segments())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(before), "change %d", n)
		_, err = more(t, l)
		require.NoError(t, err)
	}
	require.Greater(t, failed, 5) // several writes
	clean(t, l)
}

// A rename that cannot be made durable nor taken back must not come up later as a
// segment that was never acknowledged, beside others.
func TestStray(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	rec := disktest.NewTap(disk.OS, dir)
	l := openLog(t, rec, dir)
	small(t, l, 4)
	for _, try := range []func() error{
		func() error { _, err := more(t, l); return err },
		func() error { _, err := l.Merge(t.Context(), MergeOptions{Fanout: 2}); return err },
	} {
		failed := false
		rec.Before(failing(0, func(c disktest.Call) bool { // the sync of the folder, and all that follows
			failed = failed || c.Verb == disktest.SyncDir
			return failed
		}))
		require.ErrorIs(t, try(), storage.ErrNoSpace)
		require.Len(t, l.strays, 1)
		_, err := more(t, l)
		require.ErrorIs(t, err, storage.ErrNoSpace)
		rec.Before(nil)
		_, err = more(t, l)
		require.NoError(t, err)
		require.Empty(t, l.strays)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(l.Segments()))
		clean(t, l)
	}
}
