package disktest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

func second[T any](_ T, err error) error { return err }

// Mem answers as the real file system does.
func TestMemIsAFileSystem(t *testing.T) {
	root := t.TempDir()
	mem := &Mem{}
	require.NoError(t, mem.MkdirAll(root))
	for _, fsys := range []disk.FS{disk.OS, mem} {
		at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
		require.ErrorIs(t, second(fsys.Open(at("none"))), fs.ErrNotExist)
		require.ErrorIs(t, second(fsys.Create(at("no", "f"))), fs.ErrNotExist)
		require.NoError(t, fsys.MkdirAll(at("a", "b")))
		require.NoError(t, disk.WriteAtomic(fsys, at("a", "f"), []byte("hello")))
		require.ErrorIs(t, second(fsys.Create(at("a", "f"))), fs.ErrExist)
		require.ErrorIs(t, second(fsys.OpenWrite(at("a", "b"))), syscall.EISDIR)
		require.Error(t, fsys.Rename(at("a", "f"), at("a", "b")))
		require.ErrorIs(t, fsys.Rename(at("a", "x"), at("a", "y")), fs.ErrNotExist)
		require.ErrorIs(t, fsys.Remove(at("a", "x")), fs.ErrNotExist)
		require.ErrorIs(t, fsys.Remove(at("a")), syscall.ENOTEMPTY)
		require.ErrorIs(t, second(fsys.ReadDir(at("a", "f"))), syscall.ENOTDIR)
		require.ErrorIs(t, fsys.MkdirAll(at("a", "f", "g")), syscall.ENOTDIR)
		require.NoError(t, fsys.RemoveAll(at("nothing", "here")))
		f, err := fsys.OpenWrite(at("a", "f"))
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("world"), 8)
		require.NoError(t, err)
		require.NoError(t, errors.Join(f.Sync(), f.Close()))
		b, err := disk.ReadFile(fsys, at("a", "f"))
		require.NoError(t, err)
		require.Equal(t, "hello\x00\x00\x00world", string(b))
		entries, err := fsys.ReadDir(at("a"))
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.True(t, entries[0].IsDir() && entries[1].Type().IsRegular())
		info, err := fsys.Stat(at("a", "f"))
		require.NoError(t, err)
		require.Equal(t, int64(13), info.Size())
		require.NoError(t, fsys.RemoveAll(at("a")))
		require.ErrorIs(t, second(fsys.Stat(at("a"))), fs.ErrNotExist)
	}
}

// record plays a script over an empty disk and returns the player.
func record(t *testing.T, script func(r *Recorder)) (*Recorder, *Player) {
	t.Helper()
	r, err := Record(&Mem{}, Options{}, "/v")
	require.NoError(t, err)
	require.NoError(t, r.MkdirAll("/v"))
	script(r)
	return r, r.Player()
}

func content(d *Disk, name string) (string, bool) {
	b, err := disk.ReadFile(d, name)
	return string(b), err == nil
}

// What is synced, in a folder that is synced, survives; what is not may go, come, or
// come in part.
func TestWhatACutLeaves(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 4*sector)
	r, p := record(t, func(r *Recorder) {
		require.NoError(t, disk.WriteAtomic(r, "/v/f", []byte("old")))
		r.Mark("old")
		f, err := r.Create("/v/.tmp-f")
		require.NoError(t, err)
		_, err = f.Write(big)
		require.NoError(t, err)
		require.NoError(t, r.Rename("/v/.tmp-f", "/v/f")) // without a sync
		require.NoError(t, f.Sync())
		require.NoError(t, r.SyncDir("/v"))
		r.Mark("new")
	})
	steps := r.Steps()
	whole, gone := p.At(Cut{Step: steps}), p.At(Cut{Step: 5})
	s, _ := content(whole, "/v/f")
	require.Equal(t, string(big), s)
	require.Equal(t, []any{"old", "new"}, r.MarksAt(steps))
	_, there := content(gone, "/v/f") // written, not synced
	require.False(t, there)
	require.Empty(t, r.MarksAt(5))

	torn, old, empty, all := 0, 0, 0, 0
	for seed := range uint64(200) {
		s, ok := content(p.At(Cut{Step: steps - 2, Keep: 50, Seed: seed}), "/v/f") // renamed, not synced
		require.True(t, ok)
		switch s {
		case "old":
			old++
		case "":
			empty++
		case string(big):
			all++
		default:
			torn++
		}
	}
	require.Positive(t, old)
	require.Positive(t, empty)
	require.Positive(t, torn)
	require.Positive(t, all)
	for keep, want := range map[int]string{0: "old", 100: string(big)} {
		s, _ := content(p.At(Cut{Step: steps - 2, Keep: keep}), "/v/f")
		require.Equal(t, want, s)
	}
}

// A folder whose own name is not durable takes all with it; removals come undone.
func TestCutsOfFolders(t *testing.T) {
	r, p := record(t, func(r *Recorder) {
		require.NoError(t, r.MkdirAll("/v/a/b"))
		require.NoError(t, disk.WriteAtomic(r, "/v/a/b/f", nil))
		require.NoError(t, r.Rename("/v/a/b", "/v/a/c"))
		require.NoError(t, r.SyncDir("/v/a"))
		require.NoError(t, r.RemoveAll("/v/a"))
	})
	_, there := content(p.At(Cut{Step: r.Steps()}), "/v/a/c/f")
	require.True(t, there, "nobody synced the removal")
	_, there = content(p.At(Cut{Step: r.Steps(), Keep: 100}), "/v/a/c/f")
	require.False(t, there)
	d := p.At(Cut{Step: r.Steps() - 4}) // renamed, not synced
	_, old := content(d, "/v/a/b/f")
	_, renamed := content(d, "/v/a/c/f")
	require.True(t, old && !renamed)
	require.Equal(t, mkdir, r.steps[3].verb)
	_, err := p.At(Cut{Step: 4}).Stat("/v/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// One seed is one disk.
func TestCutsAreReproducible(t *testing.T) {
	_, p := record(t, func(r *Recorder) {
		f, err := r.Create("/v/f")
		require.NoError(t, err)
		_, err = f.Write(bytes.Repeat([]byte("y"), 20*sector))
		require.NoError(t, err)
	})
	different := map[string]bool{}
	for seed := range uint64(50) {
		c := Cut{Step: p.r.Steps(), Keep: 70, Seed: seed}
		one, ok := content(p.At(c), "/v/f")
		two, again := content(p.At(c), "/v/f")
		require.Equal(t, ok, again)
		require.Equal(t, one, two)
		different[one] = true
	}
	require.Greater(t, len(different), 5)
}

// Foreign folders keep their content, whatever becomes of their names.
func TestForeignFolders(t *testing.T) {
	root, grave := t.TempDir(), t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	r, err := Record(disk.OS, Options{Grave: grave, Foreign: func(name string) bool { return filepath.Dir(name) == at("s") }}, root)
	require.NoError(t, err)
	require.NoError(t, r.MkdirAll(at("s")))
	require.NoError(t, os.MkdirAll(at("s", "new"), 0o700))
	require.NoError(t, os.WriteFile(at("s", "new", "x"), nil, 0o600))
	require.NoError(t, r.Rename(at("s", "new"), at("s", "one")))
	d := r.Player().At(Cut{Step: r.Steps()})
	require.Equal(t, map[string]string{at("s", "new"): at("s", "one")}, d.Foreign)
	require.NoError(t, r.SyncDir(at("s")))
	require.NoError(t, r.RemoveAll(at("s", "one")))
	d = r.Player().At(Cut{Step: r.Steps()})
	require.FileExists(t, filepath.Join(d.Foreign[at("s", "one")], "x"))
	require.Empty(t, r.Player().At(Cut{Step: r.Steps(), Keep: 100}).Foreign)
}

func TestThePowerGoesOff(t *testing.T) {
	r, err := Record(&Mem{}, Options{})
	require.NoError(t, err)
	r.StopAt(2)
	require.NoError(t, r.MkdirAll("/v")) // two steps
	require.True(t, r.Off())
	require.ErrorIs(t, second(r.Create("/v/f")), ErrPowerOff)
	require.ErrorIs(t, second(r.Stat("/v")), ErrPowerOff)
	require.Equal(t, 2, r.Steps())
}

func TestTap(t *testing.T) {
	tap := NewTap(&Mem{}, "/v")
	require.NoError(t, tap.MkdirAll("/v"))
	require.NoError(t, disk.WriteAtomic(tap, "/v/f", []byte("1234")))
	require.Equal(t, []string{"mkdirall .", "create .tmp-f", "write .tmp-f", "sync .tmp-f", "rename .tmp-f f", "syncdir ."}, tap.Changes())
	tap.Before(func(c Call) error {
		if c.Verb == Write {
			return ErrShort
		}
		return nil
	})
	f, err := tap.Create("/v/g")
	require.NoError(t, err)
	n, err := f.Write([]byte("1234"))
	require.ErrorIs(t, err, ErrShort)
	require.Equal(t, 2, n)
	tap.Before(func(Call) error { return syscall.EIO })
	require.ErrorIs(t, tap.Remove("/v/f"), syscall.EIO)
	tap.Before(nil)
	_, err = tap.Stat("/v/f")
	require.NoError(t, err)
}
