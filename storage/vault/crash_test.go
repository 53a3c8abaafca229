package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

var crashTables = []string{"task", "task_queue"}

// life is what happens in the crash tests: a run over two tables, retention, a
// drill. It returns how far it got.
func life(t *testing.T, fsys disk.FS, dir, scratch string) (reached string, err error) {
	v, err := Open(fsys, dir, me, Options{})
	if err != nil {
		return "", err
	}
	defer func() { _ = v.Close() }()
	v.build = fakeBuild
	snaps, err := tryBackup(t, v, 2, records(30), crashTables...)
	if len(snaps) > 0 {
		reached = snaps[len(snaps)-1].Table
	}
	if err != nil {
		return reached, err
	}
	for _, table := range crashTables {
		if _, err := v.Retain(t.Context(), table, 1, 0); err != nil {
			return "run", err
		}
	}
	_, err = v.Drill(t.Context(), "task", nameAt(2), scratch)
	return "run", err
}

// Wherever the machine stops, and whether or not unsynced renames survived: what is
// listed is whole, what was acknowledged is there, and the next start goes on.
func TestCrashAnywhere(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	v := openVault(t, disk.OS, base)
	backup(t, v, 0, records(10), crashTables...)
	backup(t, v, 1, records(20), crashTables...)
	require.NoError(t, v.Close())

	for _, undo := range []bool{false, true} {
		crashed := true
		for n := 1; crashed; n++ {
			t.Run(fmt.Sprintf("op %d undo %v", n, undo), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "vault")
				require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
				rec := newRecFS(dir)
				rec.stopAt = n
				reached, err := life(t, rec, dir, t.TempDir())
				if crashed = rec.dead; !crashed {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errCrashed)
				}
				rec.powerOff(undo)
				afterCrash(t, dir, reached)
			})
		}
	}
}

func afterCrash(t *testing.T, dir, reached string) {
	before := len(temps(t, dir))
	v := openVault(t, disk.OS, dir)
	require.Empty(t, temps(t, dir))
	require.Len(t, v.Swept(), before)
	clean(t, v)
	l, err := v.List()
	require.NoError(t, err)
	require.Empty(t, l.Problems)
	have := strings.Join(listed(t, v), " ")
	for i, table := range crashTables {
		newest, err := v.Resolve(table, Latest)
		require.NoError(t, err)
		if reached == "run" || reached == crashTables[1] || i == 0 && reached == table {
			require.Equal(t, nameAt(2), newest.Name)
		} else {
			require.Contains(t, have, table+"/"+nameAt(1)) // no retention before the run was recorded
		}
	}
	if reached == "run" {
		_, err := v.Run(runAt(2))
		require.NoError(t, err)
	}
	top, err := v.MaxVersion()
	require.NoError(t, err)
	require.GreaterOrEqual(t, top, cutAt(1))
	backup(t, v, 3, records(5), crashTables...)
	for _, table := range crashTables {
		_, err := v.Retain(t.Context(), table, 1, 0)
		require.NoError(t, err)
		require.Contains(t, listed(t, v, table), table+"/"+nameAt(3))
	}
	clean(t, v)
}

// An operation that fails while the machine runs on leaves nothing behind.
func TestEveryErrorOfASnapshot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	rec := newRecFS(dir)
	v := openVault(t, rec, dir)
	rec.ops = nil
	backup(t, v, 0, records(10), "t")
	ops := len(rec.ops)
	require.Greater(t, ops, 12)
	boom := storage.ErrNoSpace
	failed := 0
	for n := 1; n <= ops; n++ {
		seen := 0
		rec.fail = func(string) error {
			if seen++; seen == n {
				return boom
			}
			return nil
		}
		snaps, err := tryBackup(t, v, n, records(10), "t")
		rec.fail = nil
		require.Empty(t, temps(t, dir), "op %d", n)
		if err == nil {
			continue // mkdirall happens once only
		}
		failed++
		require.ErrorIs(t, err, boom)
		if len(snaps) == 0 {
			require.NotContains(t, listed(t, v), "t/"+nameAt(n))
		}
		clean(t, v)
	}
	require.GreaterOrEqual(t, failed, 12)
}
