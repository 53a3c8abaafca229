package rot

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// tree is a vault in memory, for reading: so a mutation costs as much as it changes, and
// a verify no system call. Names are relative to the vault, with slashes.
type tree struct {
	root  string
	files map[string][]byte
	dirs  map[string][]fs.DirEntry // sorted by name
}

var errReadOnly = &fs.PathError{Op: "write", Path: "vault", Err: syscall.EROFS}

// load reads a directory into memory.
func load(t testing.TB, dir string) *tree {
	tr := &tree{root: dir, files: map[string][]byte{}, dirs: map[string][]fs.DirEntry{".": {}}}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel := tr.rel(name)
		if d.IsDir() {
			tr.dirs[rel] = []fs.DirEntry{}
			tr.link(rel, true)
			return nil
		}
		b, err := os.ReadFile(name)
		tr.put(rel, b)
		return err
	}))
	return tr
}

func (tr *tree) rel(name string) string {
	rel, err := filepath.Rel(tr.root, name)
	if err != nil {
		panic(err)
	}
	return filepath.ToSlash(rel)
}

// put makes or replaces a file, with the folders above it.
func (tr *tree) put(name string, b []byte) {
	if _, ok := tr.files[name]; !ok {
		tr.link(name, false)
	}
	tr.files[name] = b
}

func (tr *tree) remove(name string) {
	delete(tr.files, name)
	tr.unlink(name)
}

func (tr *tree) link(name string, dir bool) {
	up, e := path.Dir(name), entry{name: path.Base(name), dir: dir, tr: tr, path: name}
	if _, ok := tr.dirs[up]; !ok {
		tr.dirs[up] = nil
		tr.link(up, true)
	}
	i, found := tr.find(up, e.name)
	if !found {
		tr.dirs[up] = slices.Insert(slices.Clone(tr.dirs[up]), i, fs.DirEntry(e))
	}
}

func (tr *tree) unlink(name string) {
	up := path.Dir(name)
	if i, found := tr.find(up, path.Base(name)); found {
		tr.dirs[up] = slices.Delete(slices.Clone(tr.dirs[up]), i, i+1)
	}
}

func (tr *tree) find(dir, base string) (int, bool) {
	return slices.BinarySearchFunc(tr.dirs[dir], base, func(e fs.DirEntry, name string) int { return cmp.Compare(e.Name(), name) })
}

// names are those of all files, sorted.
func (tr *tree) names() (names []string) {
	for name := range tr.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// below are the names of the files below a folder.
func (tr *tree) below(dir string) []string {
	return slices.DeleteFunc(tr.names(), func(name string) bool { return !strings.HasPrefix(name, dir+"/") })
}

func (tr *tree) Open(name string) (disk.File, error) {
	rel := tr.rel(name)
	b, ok := tr.files[rel]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{Reader: bytes.NewReader(b), entry: entry{name: path.Base(rel), tr: tr, path: rel}}, nil
}

func (tr *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if d, ok := tr.dirs[tr.rel(name)]; ok {
		return d, nil
	}
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
}

func (tr *tree) Stat(name string) (fs.FileInfo, error) {
	rel := tr.rel(name)
	_, isFile := tr.files[rel]
	_, isDir := tr.dirs[rel]
	if !isFile && !isDir {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return entry{name: path.Base(rel), dir: isDir, tr: tr, path: rel}, nil
}

func (*tree) Create(string) (disk.File, error)    { return nil, errReadOnly }
func (*tree) OpenWrite(string) (disk.File, error) { return nil, errReadOnly }
func (*tree) Rename(string, string) error         { return errReadOnly }
func (*tree) Remove(string) error                 { return errReadOnly }
func (*tree) RemoveAll(string) error              { return errReadOnly }
func (*tree) MkdirAll(string) error               { return errReadOnly }
func (*tree) SyncDir(string) error                { return errReadOnly }

// entry is a name in the tree, as both [fs.DirEntry] and [fs.FileInfo].
type entry struct {
	name string
	dir  bool
	tr   *tree
	path string
}

func (e entry) Name() string               { return e.name }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e entry) Size() int64                { return int64(len(e.tr.files[e.path])) }
func (e entry) ModTime() time.Time         { return time.Time{} }
func (e entry) Sys() any                   { return nil }

func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | disk.DirMode
	}
	return disk.FileMode
}

type file struct {
	*bytes.Reader
	entry
}

func (*file) Write([]byte) (int, error)          { return 0, errReadOnly }
func (*file) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
func (*file) Close() error                       { return nil }
func (*file) Sync() error                        { return errReadOnly }
func (f *file) Stat() (fs.FileInfo, error)       { return f.entry, nil }
func (f *file) Size() int64                      { return f.Reader.Size() }
func (f *file) Name() string                     { return f.entry.name }

// The tree reads as the real file system does.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "f"), []byte("text"), 0o600))
	tr := load(t, dir)
	for _, name := range []string{"", "a", "a/b", "a/f", "no", "a/no"} {
		want, err1 := disk.OS.ReadDir(filepath.Join(dir, name))
		got, err2 := tr.ReadDir(filepath.Join(dir, name))
		if name == "a/f" { // not a folder is not there, here
			require.Error(t, err2)
			continue
		}
		require.Equal(t, errors.Is(err1, fs.ErrNotExist), errors.Is(err2, fs.ErrNotExist))
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].Name(), got[i].Name())
			require.Equal(t, want[i].Type(), got[i].Type())
		}
	}
	b, err := disk.ReadFile(tr, filepath.Join(dir, "a", "f"))
	require.NoError(t, err)
	require.Equal(t, "text", string(b))
	tr.remove("a/f")
	_, err = tr.Open(filepath.Join(dir, "a", "f"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	tr.put("x/y", nil)
	info, err := tr.Stat(filepath.Join(dir, "x"))
	require.NoError(t, err)
	require.True(t, info.IsDir())
}
