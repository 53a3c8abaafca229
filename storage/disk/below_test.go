package disk_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// Below does what OS does, and follows no link out of its folders.
func TestBelow(t *testing.T) {
	home, out := t.TempDir(), t.TempDir()
	data, vault := filepath.Join(home, "data"), filepath.Join(home, "data", "vault")
	at := func(parts ...string) string { return filepath.Join(append([]string{data}, parts...)...) }
	fsys := disk.Below(data, vault)
	require.NoError(t, fsys.MkdirAll(at("a", "b")))
	require.NoError(t, fsys.MkdirAll(filepath.Join(vault, "log")))
	require.NoError(t, disk.WriteAtomic(fsys, at("a", "b", "f"), []byte("one")))
	require.NoError(t, disk.WriteAtomic(fsys, at("a", "b", "f"), []byte("two")))
	b, err := disk.ReadFile(fsys, at("a", "b", "f"))
	require.NoError(t, err)
	require.Equal(t, "two", string(b))
	entries, err := fsys.ReadDir(at("a"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	_, err = fsys.Open(at("a", "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "open "+at("a", "missing"))
	_, err = fsys.Create(at("a", "b", "f"))
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoError(t, fsys.Rename(at("a", "b", "f"), filepath.Join(vault, "f")), "from one folder into another")
	require.ErrorContains(t, fsys.Rename(at("no"), at("yes")), at("no"))
	info, err := fsys.Stat(filepath.Join(vault, "f"))
	require.NoError(t, err)
	require.Equal(t, disk.FileMode, info.Mode())

	secret := filepath.Join(out, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("keep"), 0o600))
	require.NoError(t, os.Symlink(secret, at("a", "link")))
	require.NoError(t, os.Symlink(out, at("a", "dir")))
	for what, err := range map[string]error{
		"open":      second(fsys.Open(at("a", "link"))),
		"write":     second(fsys.OpenWrite(at("a", "link"))),
		"create":    second(fsys.Create(at("a", "dir", "new"))),
		"list":      second(fsys.ReadDir(at("a", "dir"))),
		"stat":      second(fsys.Stat(at("a", "dir", "secret"))),
		"remove":    fsys.Remove(at("a", "dir", "secret")),
		"removeall": fsys.RemoveAll(at("a", "dir", "secret")),
		"mkdir":     fsys.MkdirAll(at("a", "dir", "sub")),
		"rename":    fsys.Rename(at("a", "dir", "secret"), at("a", "mine")),
	} {
		require.ErrorContains(t, err, "escapes", what)
	}
	require.NoError(t, fsys.RemoveAll(at("a")), "the links themselves go")
	b, err = os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "keep", string(b))

	moved := filepath.Join(home, "moved")
	require.NoError(t, os.Rename(vault, moved)) // it may be a link to another disk
	require.NoError(t, os.Symlink(moved, vault))
	b, err = disk.ReadFile(fsys, filepath.Join(vault, "f"))
	require.NoError(t, err)
	require.Equal(t, "two", string(b))
	require.NoError(t, fsys.RemoveAll(filepath.Join(home, "data", "nothing", "here")))
	require.NoError(t, disk.Below(filepath.Join(home, "away")).RemoveAll(filepath.Join(home, "away", "x")))
}

func second[T any](_ T, err error) error { return err }
