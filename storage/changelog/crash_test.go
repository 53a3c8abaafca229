package changelog

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
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

// life is what happens in the crash tests. It returns the log's end by what was
// acknowledged, and what was asked to go.
func life(t *testing.T, fsys disk.FS, dir string) (end, removed storage.Version, err error) {
	end = 60
	l, err := Open(fsys, dir, vaultID, hubID, Options{})
	if err != nil {
		return end, 0, err
	}
	for range 2 {
		if _, err = more(t, l); err != nil {
			return end, 0, err
		}
		end = l.Through()
	}
	if _, err = l.Merge(t.Context(), MergeOptions{Fanout: 4}); err != nil {
		return end, 0, err
	}
	for range 2 {
		if _, err = more(t, l); err != nil {
			return end, 0, err
		}
		end = l.Through()
	}
	_, err = l.Remove(t.Context(), 80)
	return end, 80, err
}

// Wherever the machine stops, and whether or not unsynced renames survived: what was
// acknowledged is there, the chain is whole, and the next start goes on.
func TestCrashAnywhere(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	all, _ := small(t, openLog(t, disk.OS, base), 6)
	for _, undo := range []bool{false, true} {
		crashed := true
		for n := 1; crashed; n++ {
			t.Run(fmt.Sprintf("op %d undo %v", n, undo), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "log")
				require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
				rec := newRecFS(dir)
				rec.stopAt = n
				end, removed, err := life(t, rec, dir)
				if crashed = rec.dead; !crashed {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errCrashed)
				}
				rec.powerOff(undo)
				afterCrash(t, dir, all, end, removed)
			})
		}
	}
}

func afterCrash(t *testing.T, dir string, all []Commit, end, removed storage.Version) {
	reader, err := Open(disk.OS, dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	l := openLog(t, disk.OS, dir)
	require.Equal(t, reader.Segments(), l.Segments())
	require.Empty(t, l.Problems())
	clean(t, l)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(l.Segments())) // no temporary names, nothing covered
	require.GreaterOrEqual(t, l.Through(), end)
	if removed == 0 {
		got, err := replayed(t, l, "a", storage.Ledger{}, 0, end)
		require.NoError(t, err)
		equal(t, of(all, "a", 0, 60), got[:6])
		require.Len(t, got, int(end/10))
	}
	_, err = more(t, l)
	require.NoError(t, err)
	_, err = l.Merge(t.Context(), MergeOptions{Fanout: 2})
	require.NoError(t, err)
	clean(t, l)
}

// An operation that fails while the machine runs on leaves nothing behind.
func TestEveryErrorOfAnAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	rec := newRecFS(dir)
	l := openLog(t, rec, dir)
	small(t, l, 1)
	rec.ops = nil
	_, err := more(t, l)
	require.NoError(t, err)
	require.Len(t, rec.ops, 5, "%v", rec.ops) // create, write, sync, rename, syncdir
	for n := 1; n <= 5; n++ {
		seen := 0
		rec.fail = func(string) error {
			if seen++; seen == n {
				return storage.ErrNoSpace
			}
			return nil
		}
		before := l.Segments()
		_, err := more(t, l)
		rec.fail = nil
		require.ErrorIs(t, err, storage.ErrNoSpace)
		require.Equal(t, before, l.Segments())
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(before), "op %d", n)
		_, err = more(t, l)
		require.NoError(t, err)
	}
	clean(t, l)
}

// A rename that cannot be made durable nor taken back must not come up later as a
// segment that was never acknowledged, beside others.
func TestStray(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	rec := newRecFS(dir)
	l := openLog(t, rec, dir)
	small(t, l, 4)
	for _, try := range []func() error{
		func() error { _, err := more(t, l); return err },
		func() error { _, err := l.Merge(t.Context(), MergeOptions{Fanout: 2}); return err },
	} {
		seen := 0
		rec.fail = func(op string) error {
			if seen++; seen >= 5 || op[0] == 's' && op[4] == 'd' { // syncdir, and all that follows
				seen = 5
				return storage.ErrNoSpace
			}
			return nil
		}
		require.ErrorIs(t, try(), storage.ErrNoSpace)
		require.Len(t, l.strays, 1)
		_, err := more(t, l)
		require.ErrorIs(t, err, storage.ErrNoSpace)
		rec.fail = nil
		_, err = more(t, l)
		require.NoError(t, err)
		require.Empty(t, l.strays)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(l.Segments()))
		clean(t, l)
	}
}
