package vault

import (
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

var crashTables = []string{"task", "task_queue"}

// life is what happens in the crash tests: a run over two tables, retention, a drill.
// What is acknowledged it marks.
func life(t *testing.T, rec *disktest.Recorder, dir string) {
	v := openVault(t, rec, dir)
	v.build = fakeBuild
	backup(t, v, 2, records(30), crashTables...)
	rec.Mark("run")
	for _, table := range crashTables {
		_, err := v.Retain(t.Context(), table, 1, 0)
		require.NoError(t, err)
	}
	_, err := v.Drill(t.Context(), "task", nameAt(2), t.TempDir())
	require.NoError(t, err)
	rec.Mark("proof")
	require.NoError(t, v.Close())
}

// Wherever the power goes, and whatever becomes of what was not synced: what is listed
// is whole, what was acknowledged is there, and the next start goes on.
func TestCrashAnywhere(t *testing.T) {
	const dir = "/vault"
	disktest.Power(t, func(t *testing.T, _ uint64) disktest.Life {
		base := &disktest.Mem{}
		v := openVault(t, base, dir)
		backup(t, v, 0, records(10), crashTables...)
		backup(t, v, 1, records(20), crashTables...)
		require.NoError(t, v.Close())
		rec, err := disktest.Record(base, disktest.Options{}, "/")
		require.NoError(t, err)
		life(t, rec, dir)
		return disktest.Life{Recorder: rec, Start: func(fsys disk.FS, step int) (func() error, error) {
			return afterCrash(t, fsys, dir, rec.MarksAt(step)), nil
		}}
	})
}

func afterCrash(t *testing.T, d disk.FS, dir string, marks []any) (next func() error) {
	told := map[any]bool{}
	for _, m := range marks {
		told[m] = true
	}
	before := len(temps(t, d, dir))
	v := openVault(t, d, dir)
	require.Empty(t, temps(t, d, dir))
	require.Len(t, v.Swept(), before)
	clean(t, v)
	l, err := v.List()
	require.NoError(t, err)
	require.Empty(t, l.Problems)
	have := strings.Join(listed(t, v), " ")
	for _, table := range crashTables {
		newest, err := v.Resolve(table, Latest)
		require.NoError(t, err)
		if told[table] {
			require.Equal(t, nameAt(2), newest.Name)
			sameEntries(t, records(30), readAll(t, v, table, newest.Name))
		}
		if !told["run"] {
			require.Contains(t, have, table+"/"+nameAt(1)) // no retention before the run was recorded
		}
	}
	if told["run"] {
		_, err := v.Run(runAt(2))
		require.NoError(t, err)
	}
	if told["proof"] {
		s, err := v.Resolve("task", Latest)
		require.NoError(t, err)
		require.NotNil(t, s.ProvenAt)
	}
	top, err := v.MaxVersion()
	require.NoError(t, err)
	require.GreaterOrEqual(t, top, cutAt(1))
	return func() error {
		backup(t, v, 3, records(5), crashTables...)
		for _, table := range crashTables {
			_, err := v.Retain(t.Context(), table, 1, 0)
			require.NoError(t, err)
			require.Contains(t, listed(t, v, table), table+"/"+nameAt(3))
		}
		clean(t, v)
		return v.Close()
	}
}

// An operation that fails while the machine runs on leaves nothing behind.
func TestEveryErrorOfASnapshot(t *testing.T) {
	const dir = "/vault"
	tap := disktest.NewTap(&disktest.Mem{}, dir)
	v := openVault(t, tap, dir)
	tap.Forget()
	backup(t, v, 0, records(10), "t")
	calls := tap.Calls()
	require.Greater(t, calls, 12)
	boom := storage.ErrNoSpace
	failed := 0
	for n := 1; n <= calls; n++ {
		seen := 0
		tap.Before(func(disktest.Call) error {
			if seen++; seen == n {
				return boom
			}
			return nil
		})
		snaps, err := tryBackup(t, v, n, records(10), "t")
		tap.Before(nil)
		require.Empty(t, temps(t, tap, dir), "call %d, %v", n, tap.Last())
		if err == nil {
			continue // of what does not matter, such as closing what was read
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

// temps returns all temporary names below dir.
func temps(t testing.TB, fsys disk.FS, dir string) (found []string) {
	entries, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if strings.HasPrefix(e.Name(), disk.TempPrefix) {
			found = append(found, name)
		} else if e.IsDir() {
			found = append(found, temps(t, fsys, name)...)
		}
	}
	return found
}
