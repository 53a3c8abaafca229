package changelog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/brockdb/brock/storage/disk"
)

var errCrashed = errors.New("the machine is off")

// recFS records the file operations that change something, runs of writes to one
// file as one, and can stop the machine at the n-th of them: that one and all that
// follow fail. powerOff then loses what was not synced.
type recFS struct {
	disk.FS
	root string

	mu      sync.Mutex
	ops     []string
	stopAt  int // 0: never
	dead    bool
	fail    func(op string) error // one failing operation; the machine runs on
	dirty   map[string]bool       // files with unsynced content
	renamed []rename              // whose folder is not synced
}

type rename struct{ from, to string }

func newRecFS(root string) *recFS {
	return &recFS{FS: disk.OS, root: root, dirty: map[string]bool{}}
}

func (r *recFS) rel(name string) string {
	rel, err := filepath.Rel(r.root, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// op records an operation and says whether it may happen.
func (r *recFS) op(verb string, names ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return errCrashed
	}
	for i, n := range names {
		names[i] = r.rel(n)
	}
	line := verb + " " + strings.Join(names, " ")
	if verb == "write" && len(r.ops) > 0 && r.ops[len(r.ops)-1] == line {
		return nil
	}
	r.ops = append(r.ops, line)
	if len(r.ops) == r.stopAt {
		r.dead = true
		return errCrashed
	}
	if r.fail != nil {
		return r.fail(line)
	}
	return nil
}

func (r *recFS) Create(name string) (disk.File, error) {
	if err := r.op("create", name); err != nil {
		return nil, err
	}
	f, err := r.FS.Create(name)
	return &recFile{f, r}, err
}

func (r *recFS) Rename(from, to string) error {
	if err := r.op("rename", from, to); err != nil {
		return err
	}
	err := r.FS.Rename(from, to)
	if err == nil {
		r.mu.Lock()
		r.renamed = append(r.renamed, rename{from, to})
		r.mu.Unlock()
	}
	return err
}

func (r *recFS) Remove(name string) error {
	if _, err := os.Lstat(name); err != nil {
		return err // nothing to record
	}
	if err := r.op("remove", name); err != nil {
		return err
	}
	return r.FS.Remove(name)
}

func (r *recFS) RemoveAll(name string) error {
	if _, err := os.Lstat(name); err != nil {
		return nil
	}
	if err := r.op("removeall", name); err != nil {
		if entries, e := os.ReadDir(name); e == nil && len(entries) > 0 && len(r.ops) == r.stopAt { // stopped half-way
			_ = os.Remove(filepath.Join(name, entries[0].Name()))
		}
		return err
	}
	return r.FS.RemoveAll(name)
}

func (r *recFS) MkdirAll(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return nil
	}
	if err := r.op("mkdirall", name); err != nil {
		return err
	}
	return r.FS.MkdirAll(name)
}

func (r *recFS) SyncDir(name string) error {
	if err := r.op("syncdir", name); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []rename
	for _, m := range r.renamed {
		if filepath.Dir(m.to) != filepath.Clean(name) {
			open = append(open, m)
		}
	}
	r.renamed = open
	return r.FS.SyncDir(name)
}

// powerOff cuts unsynced files to half, and takes unsynced renames back where undo
// is set (both may happen). A replaced file's old content is not brought back.
func (r *recFS) powerOff(undo bool) {
	for name := range r.dirty {
		if info, err := os.Stat(name); err == nil {
			_ = os.Truncate(name, info.Size()/2)
		}
	}
	for i := len(r.renamed) - 1; undo && i >= 0; i-- {
		_ = os.Rename(r.renamed[i].to, r.renamed[i].from)
	}
}

type recFile struct {
	disk.File
	fs *recFS
}

func (f *recFile) Write(b []byte) (int, error) {
	if err := f.fs.op("write", f.Name()); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	f.fs.dirty[f.Name()] = true
	f.fs.mu.Unlock()
	return f.File.Write(b)
}

func (f *recFile) Sync() error {
	if err := f.fs.op("sync", f.Name()); err != nil {
		return err
	}
	f.fs.mu.Lock()
	delete(f.fs.dirty, f.Name())
	f.fs.mu.Unlock()
	return f.File.Sync()
}

func (f *recFile) Close() error {
	if f.File == nil {
		return fmt.Errorf("no file: %w", fs.ErrInvalid)
	}
	return f.File.Close()
}
