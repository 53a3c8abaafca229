package harness

import (
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/brockdb/brock/storage/disk"
)

// FileOp is one operation on a [FaultFS].
type FileOp struct {
	Kind   OpKind
	Path   string // below the harness's directory, with slashes
	To     string // of a rename
	Offset int64  // of a read or write
	Size   int
}

// OpKind is a kind of file operation.
type OpKind string

// The kinds.
const (
	OpCreate    OpKind = "create"
	OpOpen      OpKind = "open"
	OpOpenWrite OpKind = "openwrite"
	OpRead      OpKind = "read"
	OpWrite     OpKind = "write"
	OpSync      OpKind = "sync"
	OpRename    OpKind = "rename"
	OpRemove    OpKind = "remove"
	OpRemoveAll OpKind = "removeall"
	OpMkdir     OpKind = "mkdir"
	OpReadDir   OpKind = "readdir"
	OpStat      OpKind = "stat"
	OpSyncDir   OpKind = "syncdir"
)

// changes says whether a file system that is read-only refuses the operation.
func (k OpKind) changes() bool {
	switch k {
	case OpCreate, OpOpenWrite, OpWrite, OpRename, OpRemove, OpRemoveAll, OpMkdir:
		return true
	}
	return false
}

// FaultFS is the file system of all that Brock itself writes: vault, clock,
// markers, lists. (Badger's and NATS's files are their own.) By rules, operations
// fail, are torn, or wait.
//
//	h.FS.On(harness.OpWrite, "vault/*.frames").AtByte(4096).Fail(syscall.EIO)
//	slow := h.FS.On(harness.OpWrite, "*.frames").Hold() // until slow.Lift()
type FaultFS struct {
	base disk.FS
	t    TB
	dir  string

	mu     sync.Mutex
	faults []*FileFault
	more   chan struct{}
}

func newFaultFS(base disk.FS, t TB, dir string) *FaultFS {
	return &FaultFS{base: base, t: t, dir: dir, more: make(chan struct{})}
}

// do performs an operation, or what a fault makes of it.
func (f *FaultFS) do(op FileOp, act func() error) error {
	op.Path = f.relative(op.Path)
	if op.To != "" {
		op.To = f.relative(op.To)
	}
	for _, fault := range f.meet(op) {
		if err := fault.before(); err != nil {
			return &fs.PathError{Op: string(op.Kind), Path: op.Path, Err: err}
		}
		defer fault.behind()
	}
	return act()
}

func (f *FaultFS) relative(name string) string {
	if rel, err := filepath.Rel(f.dir, name); err == nil {
		name = rel
	}
	return filepath.ToSlash(name)
}

// Create implements [disk.FS].
func (f *FaultFS) Create(name string) (disk.File, error) {
	return f.file(FileOp{Kind: OpCreate, Path: name}, func() (disk.File, error) { return f.base.Create(name) })
}

// Open implements [disk.FS].
func (f *FaultFS) Open(name string) (disk.File, error) {
	return f.file(FileOp{Kind: OpOpen, Path: name}, func() (disk.File, error) { return f.base.Open(name) })
}

// OpenWrite implements [disk.FS].
func (f *FaultFS) OpenWrite(name string) (disk.File, error) {
	return f.file(FileOp{Kind: OpOpenWrite, Path: name}, func() (disk.File, error) { return f.base.OpenWrite(name) })
}

func (f *FaultFS) file(op FileOp, open func() (disk.File, error)) (file disk.File, err error) {
	err = f.do(op, func() (err error) { file, err = open(); return err })
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fs: f, path: op.Path}, nil
}

// Rename implements [disk.FS].
func (f *FaultFS) Rename(oldname, newname string) error {
	return f.do(FileOp{Kind: OpRename, Path: oldname, To: newname}, func() error { return f.base.Rename(oldname, newname) })
}

// Remove implements [disk.FS].
func (f *FaultFS) Remove(name string) error {
	return f.do(FileOp{Kind: OpRemove, Path: name}, func() error { return f.base.Remove(name) })
}

// RemoveAll implements [disk.FS].
func (f *FaultFS) RemoveAll(name string) error {
	return f.do(FileOp{Kind: OpRemoveAll, Path: name}, func() error { return f.base.RemoveAll(name) })
}

// MkdirAll implements [disk.FS].
func (f *FaultFS) MkdirAll(name string) error {
	return f.do(FileOp{Kind: OpMkdir, Path: name}, func() error { return f.base.MkdirAll(name) })
}

// ReadDir implements [disk.FS].
func (f *FaultFS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = f.do(FileOp{Kind: OpReadDir, Path: name}, func() (err error) { entries, err = f.base.ReadDir(name); return err })
	return entries, err
}

// Stat implements [disk.FS].
func (f *FaultFS) Stat(name string) (info fs.FileInfo, err error) {
	err = f.do(FileOp{Kind: OpStat, Path: name}, func() (err error) { info, err = f.base.Stat(name); return err })
	return info, err
}

// SyncDir implements [disk.FS].
func (f *FaultFS) SyncDir(name string) error {
	return f.do(FileOp{Kind: OpSyncDir, Path: name}, func() error { return f.base.SyncDir(name) })
}
