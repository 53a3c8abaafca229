package storage

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/stretchr/testify/require"
)

// caughtUp makes a store that was rebuilt from another one, which then had commits
// so large that they reached the rebuilt store in several transactions each, and
// its memtables ended between them.
func caughtUp(t *testing.T) (*Store, *randomWriter) {
	t.Helper()
	old, err := Create(filepath.Join(t.TempDir(), "old"), "things", Options{MinFree: -1})
	require.NoError(t, err)
	t.Cleanup(func() { closeStore(t, old) })
	w := newWriter(t, old, 21)
	w.keys = 2000
	for range 60 {
		w.commit()
	}
	lease, err := old.Lease()
	require.NoError(t, err)
	defer lease.Release()
	dir := filepath.Join(t.TempDir(), "next")
	require.NoError(t, lease.Rebuild(context.Background(), dir))
	w.ops = 150
	for range 10 {
		w.commit()
	}
	w.ops = 0
	w.s = smallStore(t, dir)
	require.NoError(t, w.s.CatchUp(old))
	require.Eventually(t, func() bool { return len(memFiles(t, w.s.dir)) == 1 }, 5*time.Second, time.Millisecond)
	require.Positive(t, hidden(w.s), "a memtable should end within a commit")
	return w.s, w
}

func memFiles(t *testing.T, dir string) []string {
	files, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	require.NoError(t, err)
	return files
}

// After Build all is in tables, so what comes later is newer than all of them.
func TestBuildLeavesNothingInMemtables(t *testing.T) {
	old := smallStore(t, filepath.Join(t.TempDir(), "old"))
	w := newWriter(t, old, 22)
	for range 100 {
		w.commit()
	}
	lease, err := old.Lease()
	require.NoError(t, err)
	defer lease.Release()
	dir := filepath.Join(t.TempDir(), "next")
	require.NoError(t, lease.Rebuild(context.Background(), dir))
	w.s = smallStore(t, dir)
	l, img, want := w.cut()
	defer l.Release()
	require.Equal(t, l.Ledger.Version-1, img.Through)
	to := filepath.Join(t.TempDir(), "r")
	r := img.restore(t, to)
	for _, e := range r.tail {
		require.Equal(t, l.Ledger.Version, e.Version, "all that came before is in tables")
	}
	want.equals(t, smallStore(t, to))
}

// A commit may be partly in tables and partly in memtables after a compaction has
// caught up: a tail of what is newer than the tables would lose that part.
func TestImageAfterCatchUp(t *testing.T) {
	_, w := caughtUp(t)
	imageHolds(t, w)
	for range 5 {
		for range 40 {
			w.commit()
		}
		imageHolds(t, w)
	}
}

// hidden counts the keys that a scan for what is newer than all tables would miss,
// although no table has them: those that an iterator finds and the tables' files do not.
func hidden(s *Store) (n int) {
	txn := s.db.NewTransactionAt(uint64(MaxVersion), false)
	defer txn.Discard()
	tables, it := s.db.Tables(), txn.NewIterator(badger.IteratorOptions{AllVersions: true}) // which keeps the files
	for !slices.EqualFunc(tables, s.db.Tables(), sameTable) {
		it.Close()
		tables, it = s.db.Tables(), txn.NewIterator(badger.IteratorOptions{AllVersions: true})
	}
	defer it.Close()
	inFiles := map[string]bool{}
	highest := Version(0)
	for _, t := range tables {
		highest = max(highest, Version(t.MaxVersion))
		for e := range tableEntries(filepath.Join(s.dir, TableName(t.ID))) {
			inFiles[e] = true
		}
	}
	for it.Rewind(); it.Valid(); it.Next() {
		key := y.KeyWithTs(it.Item().Key(), it.Item().Version())
		if !inFiles[string(key)] && Version(it.Item().Version()) <= highest {
			n++
		}
	}
	return n
}

// tableEntries yields the keys of a table file, with their versions.
func tableEntries(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		b, err := os.ReadFile(path)
		if err != nil {
			return
		}
		t, err := table.OpenInMemoryTable(b, 1, &table.Options{})
		if err != nil {
			return
		}
		it := t.NewIterator(table.NOCACHE)
		defer it.Close()
		for it.Rewind(); it.Valid() && yield(string(it.Key())); it.Next() {
		}
	}
}

// The same after a kill: Badger reads the memtables back and makes tables of them,
// one by one, while images are taken.
func TestImageAfterKilledCatchUp(t *testing.T) {
	next, w := caughtUp(t)
	dir := filepath.Join(t.TempDir(), "killed")
	asKilled(t, dir, next.dir)
	require.NotEmpty(t, memFiles(t, dir))
	w.s = smallStore(t, dir)
	for range 5 {
		imageHolds(t, w)
		w.commit()
	}
}

// asKilled copies the folder of a store that is open as a kill would leave it: all of
// one moment, at which Badger neither made nor removed a file.
func asKilled(t testing.TB, to, from string) {
	t.Helper()
	for {
		before := tablesOf(t, from)
		err := os.CopyFS(to, os.DirFS(from))
		if err == nil && tablesOf(t, from) == before {
			return
		}
		if err != nil {
			require.ErrorIs(t, err, fs.ErrNotExist) // removed under the copy
		}
		require.NoError(t, os.RemoveAll(to))
	}
}

// tablesOf are the tables of a store, as its MANIFEST and its folder have them.
func tablesOf(t testing.TB, dir string) string {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(dir, badger.ManifestFilename))
	require.NoError(t, err)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return fmt.Sprintf("%x %v", manifest, entries)
}

// imageHolds takes an image of the writer's store, restores it and compares.
func imageHolds(t testing.TB, w *randomWriter) {
	t.Helper()
	lease, img, want := w.cut()
	defer lease.Release()
	dir := filepath.Join(t.TempDir(), fmt.Sprint(w.v))
	img.restore(t, dir)
	s := smallStore(t, dir)
	want.equals(t, s)
	closeStore(t, s)
}
