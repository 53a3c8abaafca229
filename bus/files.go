package bus

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Files is the file system of an outbox, as far as it needs one. Names are complete
// paths.
type Files interface {
	// MkdirAll makes a folder, for its user only, and its name durable.
	MkdirAll(dir string) error
	// WriteAtomic replaces a file's content: after a crash it is the old or the new one,
	// and the new one once it has returned nil.
	WriteAtomic(name string, data []byte) error
	ReadFile(name string) ([]byte, error)
	ReadDir(dir string) ([]fs.DirEntry, error)
	Rename(oldname, newname string) error
	Remove(name string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
}

// systemFiles are the system's.
type systemFiles struct{}

func (systemFiles) ReadFile(name string) ([]byte, error)      { return os.ReadFile(name) }
func (systemFiles) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (systemFiles) Rename(oldname, newname string) error      { return os.Rename(oldname, newname) }
func (systemFiles) Remove(name string) error                  { return os.Remove(name) }

func (f systemFiles) MkdirAll(dir string) error {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(dir); err == nil || parent == dir {
		return f.SyncDir(parent) // whoever made it may have been killed before it synced
	}
	if err := f.MkdirAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.SyncDir(parent)
}

func (f systemFiles) WriteAtomic(name string, data []byte) error {
	t, err := os.CreateTemp(filepath.Dir(name), tempPrefix+"*") // 0600
	if err != nil {
		return err
	}
	_, err = t.Write(data)
	if err == nil {
		err = t.Sync()
	}
	err = errors.Join(err, t.Close())
	if err == nil {
		err = os.Rename(t.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(t.Name()))
	}
	return f.SyncDir(filepath.Dir(name))
}

// SyncDir: Windows cannot open a directory so, and does not need it.
func (systemFiles) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
