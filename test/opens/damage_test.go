package opens

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/extent"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// hurtHub is the directory of a hub as a kill leaves it, its table hurt with tables of
// Badger's, values in the value log, and commits in the log of a memtable.
func hurtHub(t *testing.T, options ...harness.Option) (dir string, state map[string]string) {
	h := harness.New(t, append(options, harness.Tables("hurt", "well"), harness.Offline())...)
	state = map[string]string{}
	write := func(n int) {
		for i := range n {
			key, size := fmt.Sprintf("k%03d", len(state)), 100
			if i%20 == 0 {
				size = 100 << 10
			}
			state[key] = strings.Repeat(key, size)
			h.Put("hurt", key, state[key])
		}
	}
	write(60)
	h.Restart()
	h.Put("well", "k", "v")
	write(60)
	h.Backup("well") // and so that the change log has all
	dir = t.TempDir()
	copyTree(t, h.Dir, dir) // nothing is written meanwhile
	return dir, state
}

// copyTree copies a directory, the zeros at the ends of files as holes.
func copyTree(t *testing.T, from, to string) {
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(name, 0o700)
		}
		b, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(name, bytes.TrimRight(b, "\x00"), 0o600), os.Truncate(name, int64(len(b))))
	}))
}

// file returns the only, or the newest, of the files of the store.
func file(t *testing.T, dir, pattern string) string {
	found, err := filepath.Glob(filepath.Join(dir, "data", "tables", "hurt", "store", "*", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return slices.Max(found)
}

// used returns what a file holds before the zeros at its end.
func used(t *testing.T, name string) []byte {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return bytes.TrimRight(b, "\x00")
}

func flip(t *testing.T, name string, at int) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, int64(at))
	require.NoError(t, err)
	b[0] ^= 4
	_, err = f.WriteAt(b, int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// noLog is a hub without a change log, which has nothing to heal a table from.
var noLog = harness.Configure(func(c *app.Config) { c.LogInterval = -1 })

// Damage of every kind leaves a hub that starts: the table is unavailable, with an error
// that names the file, one event goes out, and the other table serves.
func TestDamagedFiles(t *testing.T) {
	base, _ := hurtHub(t, noLog)
	kinds := map[string]func(t *testing.T, dir string) (file string){
		"table cut": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.sst")
			require.NoError(t, os.Truncate(f, int64(len(used(t, f))*2/3)))
			return f
		},
		"table missing": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.sst")
			require.NoError(t, os.Remove(f))
			return f
		},
		"block flipped": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.sst")
			flip(t, f, 1000)
			return f
		},
		"MANIFEST gone": func(t *testing.T, dir string) string {
			f := file(t, dir, "MANIFEST")
			require.NoError(t, os.Remove(f))
			return f
		},
		"MANIFEST garbled": func(t *testing.T, dir string) string {
			f := file(t, dir, "MANIFEST")
			flip(t, f, len(used(t, f))-3)
			return f
		},
		"MANIFEST cut": func(t *testing.T, dir string) string {
			f := file(t, dir, "MANIFEST")
			require.NoError(t, os.Truncate(f, 16))
			return f
		},
		"record of a memtable broken": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.mem")
			flip(t, f, len(used(t, f))/2)
			return f
		},
		"value log cut": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.vlog")
			require.NoError(t, os.Truncate(f, int64(len(used(t, f))-1000)))
			return f
		},
		"value log gone": func(t *testing.T, dir string) string {
			f := file(t, dir, "*.vlog")
			require.NoError(t, os.Remove(f))
			return f
		},
	}
	for _, name := range extent.Of(slices.Sorted(maps.Keys(kinds)), 2, 0) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyTree(t, base, dir)
			hurtFile := kinds[name](t, dir)
			h := harness.New(t, harness.Tables("hurt", "well"), harness.InDir(dir), noLog)
			h.Expect(harness.CorruptionDetected("hurt").With("file", hurtFile))
			_, err := h.Table("hurt").Get(t.Context(), []byte("k001"))
			require.ErrorIs(t, err, app.ErrUnavailable)
			require.ErrorIs(t, err, app.ErrDamaged)
			var damage *app.DamageError
			require.ErrorAs(t, err, &damage)
			require.Equal(t, hurtFile, damage.File)
			require.Equal(t, "v", h.Get("well", "k"))
			h.Put("well", "k", "w")
			run, err := h.Hub().Backup(t.Context())
			var partial *app.RunError
			require.ErrorAs(t, err, &partial)
			h.Expect(harness.Within(20*time.Second), harness.BackupComplete(run.ID), harness.Not(harness.CorruptionDetected("hurt")))
		})
	}
}

// A table that lost the end of a memtable's log has all its commits again, from the
// change log.
func TestALostTailComesBackFromTheLog(t *testing.T) {
	dir, state := hurtHub(t, harness.Configure(func(c *app.Config) { c.LogInterval = time.Millisecond }))
	f := file(t, dir, "*.mem")
	flip(t, f, len(used(t, f))/2)
	h := harness.New(t, harness.Tables("hurt", "well"), harness.InDir(dir))
	for key, value := range state {
		require.Equal(t, value, h.Get("hurt", key))
	}
	h.Put("hurt", "more", "v")
	require.Equal(t, "v", h.Get("well", "k"))
	h.Restart()
	require.Equal(t, "v", h.Get("hurt", "more"))
}
