package disktest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/brockdb/brock/storage/disk"
)

// ErrPowerOff is the error of all that comes after [Recorder.StopAt].
var ErrPowerOff = errors.New("the power is off")

// Recorder is a file system that takes down each step by which the one below it is
// changed or synced: a folder that is made with its parents is as many steps, a tree
// that is removed as many as it has files. It expects that nobody else changes what is
// below, but for foreign folders.
type Recorder struct {
	base disk.FS
	o    Options

	mu     sync.Mutex
	start  *world // what was there at first
	steps  []step
	nextID int
	marks  []mark
	stopAt int
	off    bool
}

// Options of [Record]; the zero value works.
type Options struct {
	// Foreign says which folders somebody else fills, past the recorder (stores, which
	// are Badger's): their names are recorded, what is in them is not.
	Foreign func(name string) bool
	// Grave is a folder of the real file system, none of the recorded ones, into which
	// foreign folders that are removed are moved: a cut can bring them back.
	Grave string
}

// mark is what somebody was told, and after how many steps.
type mark struct {
	steps int
	what  any
}

// step is one change or sync. A file is known by its number, whatever its name is then.
type step struct {
	verb Verb
	name string
	to   string // of a rename; of a foreign folder's removal, where it was moved
	id   int    // of a file
	off  int64
	data []byte
}

// mkdir is the step of one folder alone.
const mkdir Verb = "mkdir"

// Record returns a recorder over base, in which everything below the folders is there
// durably, and so are the folders above them. One that is missing was never made.
func Record(base disk.FS, o Options, dirs ...string) (*Recorder, error) {
	if o.Foreign == nil {
		o.Foreign = func(string) bool { return false }
	}
	r := &Recorder{base: base, o: o, start: newWorld()}
	for _, dir := range dirs {
		r.start.makeAll(filepath.Dir(filepath.Clean(dir)))
		if err := r.load(filepath.Clean(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return r, nil
}

// load takes what is there into the start.
func (r *Recorder) load(name string) error {
	entries, err := r.base.ReadDir(name)
	if err != nil {
		return err
	}
	r.start.makeAll(name)
	for _, e := range entries {
		path := filepath.Join(name, e.Name())
		switch {
		case r.o.Foreign(path):
			r.start.adopt(path)
		case e.IsDir():
			err = r.load(path)
		default:
			var data []byte
			if data, err = disk.ReadFile(r.base, path); err == nil {
				r.start.put(path, data)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// StopAt turns the power off behind the nth step from the beginning: every later call
// fails with [ErrPowerOff], readers too.
func (r *Recorder) StopAt(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopAt = n
}

// Off says whether the power is off.
func (r *Recorder) Off() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off
}

// Steps returns how many steps there were.
func (r *Recorder) Steps() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.steps)
}

// Mark takes down that somebody was told something: after a cut behind this step it
// must be true.
func (r *Recorder) Mark(what any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, mark{len(r.steps), what})
}

// MarksAt returns what was told by the step.
func (r *Recorder) MarksAt(step int) (told []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.marks {
		if m.steps <= step {
			told = append(told, m.what)
		}
	}
	return told
}

// do performs a step. The steps are in the order in which they were performed.
func (r *Recorder) do(s step, act func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		return pathError(string(s.verb), s.name, ErrPowerOff)
	}
	if err := act(); err != nil {
		return err
	}
	r.steps = append(r.steps, s)
	r.off = len(r.steps) == r.stopAt
	return nil
}

// look refuses to read when the power is off.
func (r *Recorder) look(verb Verb, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		return pathError(string(verb), name, ErrPowerOff)
	}
	return nil
}

// TryLock takes a lock where the file system below keeps locks.
func (r *Recorder) TryLock(name string) (unlock func() error, err error) {
	return TryLock(r.base, name)
}

// Create implements [disk.FS].
func (r *Recorder) Create(name string) (disk.File, error) { return r.make(name, r.base.Create) }

// OpenWrite implements [disk.FS].
func (r *Recorder) OpenWrite(name string) (disk.File, error) {
	return nil, fmt.Errorf("disktest: %s is opened for writing in place, which is not recorded: %w", name, errors.ErrUnsupported)
}

func (r *Recorder) make(name string, open func(string) (disk.File, error)) (disk.File, error) {
	r.mu.Lock()
	r.nextID++
	id := r.nextID
	r.mu.Unlock()
	var f disk.File
	err := r.do(step{verb: Create, name: name, id: id}, func() (err error) { f, err = open(name); return err })
	if err != nil {
		return nil, err
	}
	return &recordedFile{File: f, r: r, id: id}, nil
}

// Open implements [disk.FS].
func (r *Recorder) Open(name string) (disk.File, error) {
	if err := r.look(Open, name); err != nil {
		return nil, err
	}
	return r.base.Open(name)
}

// Rename implements [disk.FS].
func (r *Recorder) Rename(oldname, newname string) error {
	return r.do(step{verb: Rename, name: oldname, to: newname}, func() error { return r.base.Rename(oldname, newname) })
}

// Remove implements [disk.FS].
func (r *Recorder) Remove(name string) error {
	return r.do(step{verb: Remove, name: name}, func() error { return r.base.Remove(name) })
}

// RemoveAll implements [disk.FS].
func (r *Recorder) RemoveAll(name string) error {
	info, err := r.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.o.Foreign(name) {
		return r.bury(name)
	}
	if info.IsDir() {
		entries, err := r.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := r.RemoveAll(filepath.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	return r.Remove(name)
}

// bury moves a foreign folder away, so that a cut can bring it back.
func (r *Recorder) bury(name string) error {
	r.mu.Lock()
	r.nextID++
	to := filepath.Join(r.o.Grave, fmt.Sprintf("%06d", r.nextID))
	r.mu.Unlock()
	return r.do(step{verb: RemoveAll, name: name, to: to}, func() error { return disk.OS.Rename(name, to) })
}

// MkdirAll implements [disk.FS], as [disk.OS] does: each folder is made and its parent
// synced.
func (r *Recorder) MkdirAll(name string) error {
	parent := filepath.Dir(name)
	_, err := r.Stat(name)
	if err == nil {
		if parent == name {
			return nil
		}
		return r.SyncDir(parent)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := r.MkdirAll(parent); err != nil {
		return err
	}
	if err := r.do(step{verb: mkdir, name: name}, func() error { return r.base.MkdirAll(name) }); err != nil {
		return err
	}
	return r.SyncDir(parent)
}

// ReadDir implements [disk.FS].
func (r *Recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := r.look(ReadDir, name); err != nil {
		return nil, err
	}
	return r.base.ReadDir(name)
}

// Stat implements [disk.FS].
func (r *Recorder) Stat(name string) (fs.FileInfo, error) {
	if err := r.look(Stat, name); err != nil {
		return nil, err
	}
	return r.base.Stat(name)
}

// SyncDir implements [disk.FS].
func (r *Recorder) SyncDir(name string) error {
	return r.do(step{verb: SyncDir, name: name}, func() error { return r.base.SyncDir(name) })
}

// recordedFile is a new file that is written. It has one position, which one goroutine
// at a time moves.
type recordedFile struct {
	disk.File
	r   *Recorder
	id  int
	pos int64
}

func (f *recordedFile) Write(p []byte) (n int, err error) {
	n, err = f.write(p, f.pos, f.File.Write)
	f.pos += int64(n)
	return n, err
}

func (f *recordedFile) WriteAt(p []byte, off int64) (n int, err error) {
	return f.write(p, off, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
}

func (f *recordedFile) write(p []byte, off int64, write func([]byte) (int, error)) (n int, err error) {
	err = f.r.do(step{verb: Write, name: f.Name(), id: f.id, off: off, data: slices.Clone(p)}, func() (err error) {
		n, err = write(p)
		return err
	})
	return n, err
}

func (f *recordedFile) Sync() error {
	return f.r.do(step{verb: Sync, name: f.Name(), id: f.id}, f.File.Sync)
}
