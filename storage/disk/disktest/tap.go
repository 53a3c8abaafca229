package disktest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/brockdb/brock/storage/disk"
)

// Call is one call of a file system or of one of its files.
type Call struct {
	Verb Verb
	Path string // below the tap's root, with slashes
	To   string // of a rename
	Idle bool   // nothing is there to be removed, or the folder to be made is there
}

// Verb is what a call does.
type Verb string

// The verbs.
const (
	Create    Verb = "create"
	Open      Verb = "open"
	OpenWrite Verb = "openwrite"
	Read      Verb = "read"
	Write     Verb = "write"
	Sync      Verb = "sync"
	Close     Verb = "close"
	FileStat  Verb = "filestat"
	Rename    Verb = "rename"
	Remove    Verb = "remove"
	RemoveAll Verb = "removeall"
	MkdirAll  Verb = "mkdirall"
	ReadDir   Verb = "readdir"
	Stat      Verb = "stat"
	SyncDir   Verb = "syncdir"
)

// Changes says whether the call changes something, or makes a change durable.
func (c Call) Changes() bool {
	switch c.Verb {
	case Open, Read, Close, FileStat, ReadDir, Stat:
		return false
	}
	return !c.Idle
}

func (c Call) String() string {
	if c.To != "" {
		return string(c.Verb) + " " + c.Path + " " + c.To
	}
	return string(c.Verb) + " " + c.Path
}

// ErrShort, from [Tap.Before], lets a write write half of its bytes; other calls it
// fails.
var ErrShort = fmt.Errorf("%w: half of it was written", errShort)

var errShort = errors.New("short write")

// Tap sees each call of a file system before it is made. What it is told by Before to
// fail is not done.
type Tap struct {
	disk.FS
	root string

	mu     sync.Mutex
	before func(Call) error
	calls  []Call
}

// NewTap returns a tap on base; paths are told as they lie below root.
func NewTap(base disk.FS, root string) *Tap { return &Tap{FS: base, root: root} }

// Before sets what is asked before each call; nil: nothing. An error fails the call. It
// may be asked by several goroutines at once.
func (t *Tap) Before(f func(Call) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before = f
}

// Forget forgets the calls seen so far.
func (t *Tap) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = nil
}

// Changes returns the calls that change something, those that were made to fail among
// them, as lines; writes to one file that follow one another are one.
func (t *Tap) Changes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, c := range t.calls {
		if line := c.String(); c.Changes() && (c.Verb != Write || len(lines) == 0 || lines[len(lines)-1] != line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Calls returns how many calls were seen.
func (t *Tap) Calls() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.calls)
}

// Last returns the last call.
func (t *Tap) Last() Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.calls) == 0 {
		return Call{}
	}
	return t.calls[len(t.calls)-1]
}

func (t *Tap) see(verb Verb, name, to string) error {
	c := Call{Verb: verb, Path: t.rel(name)}
	switch verb {
	case Rename:
		c.To = t.rel(to)
	case Remove, RemoveAll, MkdirAll:
		_, err := t.FS.Stat(name)
		c.Idle = (err == nil) == (verb == MkdirAll)
	}
	t.mu.Lock()
	t.calls = append(t.calls, c)
	before := t.before
	t.mu.Unlock()
	if before == nil {
		return nil
	}
	if err := before(c); err != nil {
		return &fs.PathError{Op: string(verb), Path: name, Err: err}
	}
	return nil
}

func (t *Tap) rel(name string) string {
	if rel, err := filepath.Rel(t.root, name); err == nil && !strings.HasPrefix(rel, "..") {
		name = rel
	}
	return filepath.ToSlash(name)
}

// TryLock takes a lock where the file system below keeps locks.
func (t *Tap) TryLock(name string) (unlock func() error, err error) { return TryLock(t.FS, name) }

// Create implements [disk.FS].
func (t *Tap) Create(name string) (disk.File, error) { return t.open(Create, name, t.FS.Create) }

// Open implements [disk.FS].
func (t *Tap) Open(name string) (disk.File, error) { return t.open(Open, name, t.FS.Open) }

// OpenWrite implements [disk.FS].
func (t *Tap) OpenWrite(name string) (disk.File, error) {
	return t.open(OpenWrite, name, t.FS.OpenWrite)
}

func (t *Tap) open(verb Verb, name string, open func(string) (disk.File, error)) (disk.File, error) {
	if err := t.see(verb, name, ""); err != nil {
		return nil, err
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	return &tapFile{f, t}, nil
}

// Rename implements [disk.FS].
func (t *Tap) Rename(oldname, newname string) error {
	if err := t.see(Rename, oldname, newname); err != nil {
		return err
	}
	return t.FS.Rename(oldname, newname)
}

// Remove implements [disk.FS].
func (t *Tap) Remove(name string) error {
	if err := t.see(Remove, name, ""); err != nil {
		return err
	}
	return t.FS.Remove(name)
}

// RemoveAll implements [disk.FS].
func (t *Tap) RemoveAll(name string) error {
	if err := t.see(RemoveAll, name, ""); err != nil {
		return err
	}
	return t.FS.RemoveAll(name)
}

// MkdirAll implements [disk.FS].
func (t *Tap) MkdirAll(name string) error {
	if err := t.see(MkdirAll, name, ""); err != nil {
		return err
	}
	return t.FS.MkdirAll(name)
}

// ReadDir implements [disk.FS].
func (t *Tap) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := t.see(ReadDir, name, ""); err != nil {
		return nil, err
	}
	return t.FS.ReadDir(name)
}

// Stat implements [disk.FS].
func (t *Tap) Stat(name string) (fs.FileInfo, error) {
	if err := t.see(Stat, name, ""); err != nil {
		return nil, err
	}
	return t.FS.Stat(name)
}

// SyncDir implements [disk.FS].
func (t *Tap) SyncDir(name string) error {
	if err := t.see(SyncDir, name, ""); err != nil {
		return err
	}
	return t.FS.SyncDir(name)
}

type tapFile struct {
	disk.File
	t *Tap
}

func (f *tapFile) Read(p []byte) (int, error) {
	if err := f.t.see(Read, f.Name(), ""); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *tapFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.t.see(Read, f.Name(), ""); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *tapFile) Write(p []byte) (int, error) {
	if err := f.t.see(Write, f.Name(), ""); err != nil {
		return f.short(err, p, f.File.Write)
	}
	return f.File.Write(p)
}

func (f *tapFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.t.see(Write, f.Name(), ""); err != nil {
		return f.short(err, p, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
	}
	return f.File.WriteAt(p, off)
}

func (f *tapFile) short(err error, p []byte, write func([]byte) (int, error)) (int, error) {
	if !errors.Is(err, errShort) {
		return 0, err
	}
	n, werr := write(p[:len(p)/2])
	return n, errors.Join(err, werr)
}

func (f *tapFile) Sync() error {
	if err := f.t.see(Sync, f.Name(), ""); err != nil {
		return err
	}
	return f.File.Sync()
}

// Close closes the file in any case, as the system does.
func (f *tapFile) Close() error {
	err := f.t.see(Close, f.Name(), "")
	return errors.Join(err, f.File.Close())
}

func (f *tapFile) Stat() (fs.FileInfo, error) {
	if err := f.t.see(FileStat, f.Name(), ""); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// TryLock takes the lock of the name on file systems that keep locks of their own, as
// those of this package do, and otherwise on the real one.
func TryLock(fsys disk.FS, name string) (unlock func() error, err error) {
	if l, ok := fsys.(interface {
		TryLock(string) (func() error, error)
	}); ok {
		return l.TryLock(name)
	}
	l, err := disk.TryLock(name)
	if err != nil {
		return nil, err
	}
	return l.Unlock, nil
}
