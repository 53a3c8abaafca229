package disktest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

// Mem is a [disk.FS] in memory. The zero Mem has an empty root folder.
type Mem struct {
	mu    sync.Mutex
	root  inode
	locks map[string]bool
}

// inode is a file or, with kids, a folder.
type inode struct {
	kids   map[string]*inode
	data   []byte
	shared bool // data is others', too: it is copied before it is changed
	at     time.Time
}

func newFolder() *inode { return &inode{kids: map[string]*inode{}} }

func split(name string) []string {
	name = strings.Trim(filepath.ToSlash(filepath.Clean(name)), "/")
	if name == "" || name == "." {
		return nil
	}
	return strings.Split(name, "/")
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// find returns the inode of the name, or ENOENT or ENOTDIR. The caller holds the lock.
func (m *Mem) find(parts []string) (*inode, error) {
	if m.root.kids == nil {
		m.root.kids = map[string]*inode{}
	}
	at := &m.root
	for _, part := range parts {
		if at.kids == nil {
			return nil, syscall.ENOTDIR
		}
		next, ok := at.kids[part]
		if !ok {
			return nil, syscall.ENOENT
		}
		at = next
	}
	return at, nil
}

// folder returns the folder that the name is in, and the name's last part.
func (m *Mem) folder(name string) (*inode, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", syscall.EINVAL
	}
	dir, err := m.find(parts[:len(parts)-1])
	if err == nil && dir.kids == nil {
		err = syscall.ENOTDIR
	}
	return dir, parts[len(parts)-1], err
}

// Create implements [disk.FS].
func (m *Mem) Create(name string) (disk.File, error) { return m.make("open", name, true) }

// OpenWrite implements [disk.FS].
func (m *Mem) OpenWrite(name string) (disk.File, error) { return m.make("open", name, false) }

func (m *Mem) make(op, name string, fresh bool) (disk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.folder(name)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	n, ok := dir.kids[base]
	switch {
	case ok && fresh:
		return nil, pathError(op, name, syscall.EEXIST)
	case ok && n.kids != nil:
		return nil, pathError(op, name, syscall.EISDIR)
	case !ok:
		n = &inode{at: time.Now()}
		dir.kids[base] = n
	}
	return &memFile{fs: m, n: n, name: name, writes: true}, nil
}

// Open implements [disk.FS].
func (m *Mem) Open(name string) (disk.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(split(name))
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &memFile{fs: m, n: n, name: name}, nil
}

// Rename implements [disk.FS].
func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, old, err := m.folder(oldname)
	if err != nil {
		return pathError("rename", oldname, err)
	}
	to, base, err := m.folder(newname)
	n, ok := from.kids[old]
	if err == nil && !ok {
		err = syscall.ENOENT
	}
	if there, is := (*inode)(nil), false; err == nil {
		if there, is = to.kids[base]; is && there != n {
			err = mayReplace(n, there)
		}
	}
	if err != nil {
		return pathError("rename", newname, err)
	}
	delete(from.kids, old)
	to.kids[base] = n
	return nil
}

// mayReplace says whether a rename may put n in the place of there.
func mayReplace(n, there *inode) error {
	switch {
	case n.kids == nil && there.kids != nil:
		return syscall.EISDIR
	case n.kids != nil && there.kids == nil:
		return syscall.ENOTDIR
	case len(there.kids) > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

// Remove implements [disk.FS].
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.folder(name)
	if err == nil {
		n, ok := dir.kids[base]
		switch {
		case !ok:
			err = syscall.ENOENT
		case len(n.kids) > 0:
			err = syscall.ENOTEMPTY
		default:
			delete(dir.kids, base)
		}
	}
	if err != nil {
		return pathError("remove", name, err)
	}
	return nil
}

// RemoveAll implements [disk.FS].
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if dir, base, err := m.folder(name); err == nil {
		delete(dir.kids, base)
	}
	return nil
}

// MkdirAll implements [disk.FS].
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.find(nil)
	for _, part := range split(name) {
		if at.kids == nil {
			err = syscall.ENOTDIR
			break
		}
		next, ok := at.kids[part]
		if !ok {
			next = newFolder()
			at.kids[part] = next
		}
		at = next
	}
	if err == nil && at.kids == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return pathError("mkdir", name, err)
	}
	return nil
}

// ReadDir implements [disk.FS].
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(split(name))
	if err == nil && n.kids == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	entries := []fs.DirEntry{}
	for _, kid := range slices.Sorted(maps.Keys(n.kids)) {
		entries = append(entries, fs.FileInfoToDirEntry(n.kids[kid].info(kid)))
	}
	return entries, nil
}

// Stat implements [disk.FS].
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(split(name))
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return n.info(filepath.Base(name)), nil
}

// SyncDir implements [disk.FS].
func (m *Mem) SyncDir(name string) error {
	info, err := m.Stat(name)
	if err == nil && !info.IsDir() {
		err = pathError("sync", name, syscall.ENOTDIR)
	}
	return err
}

// TryLock takes the lock of the name, as [disk.TryLock] does on the real file system.
func (m *Mem) TryLock(name string) (unlock func() error, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, fmt.Errorf("%s: %w", name, disk.ErrLocked)
	}
	if m.locks == nil {
		m.locks = map[string]bool{}
	}
	m.locks[name] = true
	return func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locks, name)
		return nil
	}, nil
}

// WriteFile puts a file with the content there, and the folders above it.
func (m *Mem) WriteFile(name string, data []byte) error {
	if err := m.MkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.folder(name)
	if err == nil {
		dir.kids[base] = &inode{data: data, shared: true}
	}
	return err
}

type memFile struct {
	fs     *Mem
	n      *inode
	name   string
	writes bool
	pos    int64 // one goroutine's, as a real file's would be
}

func (f *memFile) Name() string { return f.name }
func (f *memFile) Close() error { return nil }
func (f *memFile) Sync() error  { return nil }

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.n.info(filepath.Base(f.name)), nil
}

func (f *memFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.n.kids != nil {
		return 0, pathError("read", f.name, syscall.EISDIR)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if !f.writes {
		return 0, pathError("write", f.name, syscall.EBADF)
	}
	if f.n.shared {
		f.n.data, f.n.shared = slices.Clone(f.n.data), false
	}
	f.n.data = overlay(f.n.data, off, p)
	return len(p), nil
}

// overlay writes p over data from the offset on.
func overlay(data []byte, off int64, p []byte) []byte {
	if grow := off + int64(len(p)) - int64(len(data)); grow > 0 {
		data = append(data, make([]byte, grow)...)
	}
	copy(data[off:], p)
	return data
}

// info is what Stat tells of an inode.
func (n *inode) info(name string) fs.FileInfo {
	return memInfo{name: name, size: int64(len(n.data)), dir: n.kids != nil, at: n.at}
}

type memInfo struct {
	name string
	size int64
	dir  bool
	at   time.Time
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return i.at }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | disk.DirMode
	}
	return disk.FileMode
}
