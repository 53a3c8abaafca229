package vault

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

func TestOneOwner(t *testing.T) {
	v := newTestVault(t)
	_, err := Open(disk.OS, v.Dir(), me, Options{})
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorIs(t, err, disk.ErrLocked)
	require.NoError(t, v.Close())
	require.NoError(t, v.Close())
	_, err = Open(disk.OS, v.Dir(), Owner{"other", "o"}, Options{})
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, `"hub"`)
	_, err = tryBackup(t, v, 0, nil, "t")
	require.ErrorIs(t, err, storage.ErrClosed)

	w := openVault(t, disk.OS, v.Dir())
	require.Equal(t, v.ID(), w.ID())
	require.Equal(t, me, w.Owner())
	require.Empty(t, w.EarlierOwner())
	require.NoError(t, w.Close())
	// The same hub after it lost its data.
	w, err = Open(disk.OS, v.Dir(), Owner{"hub", "hub-2"}, Options{})
	require.NoError(t, err)
	require.Equal(t, "hub-1", w.EarlierOwner())
	require.Equal(t, v.ID(), w.ID())
	require.NoError(t, w.Close())
	for _, bad := range []Owner{{}, {"hub", ""}, {"Hub", "x"}, {"hub", "a b"}} {
		_, err = Open(disk.OS, v.Dir(), bad, Options{})
		require.Error(t, err)
	}
}

func TestModes(t *testing.T) {
	v := newTestVault(t)
	backup(t, v, 0, records(1), "t")
	require.NoError(t, filepath.WalkDir(v.Dir(), func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if d.IsDir() {
			require.Equal(t, disk.DirMode, info.Mode().Perm(), path)
		} else {
			require.Equal(t, disk.FileMode, info.Mode().Perm(), path)
		}
		return nil
	}))
}

func TestOpenSweepsTemporaryNamesOnly(t *testing.T) {
	v := newTestVault(t)
	s := backup(t, v, 0, records(1), "t")[0]
	require.NoError(t, v.Close())
	for _, name := range []string{".tmp-a", "runs/.tmp-b", "tables/t/snapshots/.tmp-c/1.frames", "tables/t/pool/.tmp-d", "proofs/t/.tmp-e", "removals/t/.tmp-f", "log/.tmp-g"} {
		require.NoError(t, os.MkdirAll(v.path(filepath.Dir(name)), 0o700))
		overwrite(t, v.path(name), []byte("x"))
	}
	stranger := filepath.Join(s.Path, "stranger")
	overwrite(t, stranger, nil)
	require.NoError(t, os.Mkdir(v.path("tables/t/snapshots/half"), 0o700))
	w := openVault(t, disk.OS, v.Dir())
	require.Len(t, w.Swept(), 7)
	require.Contains(t, w.Swept(), "tables/t/snapshots/.tmp-c")
	require.FileExists(t, stranger)
	require.DirExists(t, v.path("tables/t/snapshots/half"))
	require.Empty(t, temps(t, disk.OS, v.Dir()))
}

func TestFoldersThatAreNoVault(t *testing.T) {
	dir := t.TempDir()
	overwrite(t, filepath.Join(dir, "letter.txt"), []byte("x"))
	_, err := Open(disk.OS, dir, me, Options{})
	require.ErrorIs(t, err, ErrNotVault)
	require.NoFileExists(t, filepath.Join(dir, lockName)) // nothing was written
	_, err = OpenReadOnly(disk.OS, dir)
	require.ErrorIs(t, err, ErrNotVault)
	_, err = OpenReadOnly(disk.OS, filepath.Join(dir, "none"))
	require.ErrorIs(t, err, ErrNotVault)
	require.NoDirExists(t, filepath.Join(dir, "none"))
	_, err = Open(disk.OS, filepath.Join(dir, "letter.txt"), me, Options{})
	require.ErrorContains(t, err, "cannot be used")
	_, err = Open(disk.OS, filepath.Join(dir, "letter.txt", "deep"), me, Options{})
	require.ErrorContains(t, err, "cannot be used")
}

func TestUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	rec := disktest.NewTap(disk.OS, dir)
	readOnly := func(c disktest.Call) error {
		if c.Changes() {
			return os.ErrPermission
		}
		return nil
	}
	rec.Before(readOnly)
	_, err := Open(rec, dir, me, Options{})
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "writable")
	rec.Before(nil)
	v := openVault(t, rec, dir)
	backup(t, v, 0, records(2), "t")
	rec.Before(readOnly)
	_, err = tryBackup(t, v, 1, records(2), "t")
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, dir)
	_, err = v.Retain(t.Context(), "t", 1, 0)
	require.NoError(t, err)
	v.build = fakeBuild
	_, err = v.Drill(t.Context(), "t", nameAt(0), t.TempDir())
	require.ErrorContains(t, err, "proof cannot be written")
	clean(t, v) // reading needs no writing
}

func TestLostMarker(t *testing.T) {
	v := newTestVault(t)
	s := backup(t, v, 0, records(3), "t")[0]
	require.NoError(t, v.Close())
	for name, harm := range map[string]func(string) error{
		"gone":    os.Remove,
		"damaged": func(f string) error { return os.WriteFile(f, []byte("{}"), 0o600) },
	} {
		good := read(t, v.path(markerName))
		require.NoError(t, harm(v.path(markerName)))
		_, err := Open(disk.OS, v.Dir(), me, Options{})
		require.ErrorIs(t, err, storage.ErrDamaged, name)
		r, err := OpenReadOnly(disk.OS, v.Dir())
		require.NoError(t, err)
		sameEntries(t, records(3), readAll(t, r, "t", s.Name))
		named(t, r, problems(t, r), v.path(markerName))
		overwrite(t, v.path(markerName), good)
	}
	m := v.mark
	m.Format++
	require.NoError(t, v.writeMarker(m))
	_, err := Open(disk.OS, v.Dir(), me, Options{})
	require.ErrorIs(t, err, ErrNewer)
	_, err = OpenReadOnly(disk.OS, v.Dir())
	require.ErrorIs(t, err, ErrNewer)
}

func TestReadOnlyBesideALiveOwner(t *testing.T) {
	v := newTestVault(t)
	s := backup(t, v, 0, records(3), "t")[0]
	rec := disktest.NewTap(disk.OS, v.Dir())
	r, err := OpenReadOnly(rec, v.Dir())
	require.NoError(t, err)
	require.Equal(t, me, r.Owner())
	clean(t, r)
	require.Equal(t, listed(t, v), listed(t, r))
	_, err = r.BuildStore(t.Context(), "t", s.Name, filepath.Join(t.TempDir(), "s"), nil)
	require.NoError(t, err)
	_, err = tryBackup(t, r, 1, nil, "t")
	require.ErrorIs(t, err, ErrReadOnly)
	require.ErrorIs(t, r.WriteRun(Run{ID: runAt(1)}), ErrReadOnly)
	_, err = r.Retain(t.Context(), "t", 1, 0)
	require.ErrorIs(t, err, ErrReadOnly)
	_, _, err = r.DrillTables(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrReadOnly)
	require.NoError(t, r.Close())
	require.Empty(t, rec.Changes())
}

// Everything at once, with the race detector looking on.
func TestConcurrentUse(t *testing.T) {
	v := newTestVault(t)
	v.build = fakeBuild
	backup(t, v, 0, records(100), "a", "b")
	var wg sync.WaitGroup
	for _, table := range []string{"a", "b"} {
		wg.Go(func() {
			for m := 1; m < 12; m++ {
				_, err := v.WriteSnapshot(t.Context(), SnapshotSpec{table, runAt(m), cutAt(m), ledgerOf(t, records(m))}, Source{Entries: seq(records(m))}, WriteOptions{})
				if err == nil {
					_, err = v.Retain(t.Context(), table, 2, 0)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 12 {
				if rep, err := v.Verify(t.Context()); err != nil || rep.Status != StatusOK {
					t.Error(rep, err)
				}
			}
		})
		wg.Go(func() {
			for range 12 {
				rep, _, err := v.DrillTables(t.Context(), filepath.Join(v.Dir(), "..", "scratch"), table)
				if err != nil || rep.Status != StatusOK {
					t.Error(rep, err)
				}
			}
		})
	}
	wg.Wait()
	clean(t, v)
}
