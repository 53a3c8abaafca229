// Package disk is the one door through which Brock writes its own files.
//
// Everything that Brock itself promises to keep (vault, markers, clock, lists of
// tables) goes through [FS], so that tests can put a file system there that loses,
// reorders or refuses what was not yet synced. Badger's files are Badger's own.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TempPrefix starts the name of everything that is not finished. Only names with
// this prefix may be swept; any other name that lacks something is damage.
const TempPrefix = ".tmp-"

// Modes of all that Brock makes: nobody but its user may look inside.
const (
	DirMode  fs.FileMode = 0o700
	FileMode fs.FileMode = 0o600
)

// File is an open file of an [FS].
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Sync() error
	Stat() (fs.FileInfo, error)
	Name() string
}

// FS is the file system as Brock needs it. All names are complete paths.
type FS interface {
	// Create makes a new file with [FileMode] and fails when the name exists.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenWrite opens a file for reading and writing in place, and makes it when it is missing.
	OpenWrite(name string) (File, error)
	// Rename replaces newname atomically; it is durable only after SyncDir of the folder.
	Rename(oldname, newname string) error
	Remove(name string) error
	RemoveAll(name string) error
	// MkdirAll makes the folder and its missing parents with [DirMode] and makes them durable.
	MkdirAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in the folder durable.
	SyncDir(name string) error
}

// OS is the real file system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	return file(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode))
}

func (osFS) Open(name string) (File, error) { return file(os.Open(name)) }

func (osFS) OpenWrite(name string) (File, error) {
	return file(os.OpenFile(name, os.O_RDWR|os.O_CREATE, FileMode))
}

func (osFS) Rename(oldname, newname string) error       { return os.Rename(oldname, newname) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) RemoveAll(name string) error                { return os.RemoveAll(name) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }

func (f osFS) MkdirAll(name string) error {
	parent := filepath.Dir(name)
	if _, err := os.Stat(name); err == nil {
		return f.SyncDir(parent) // whoever made it may have been killed before it synced
	}
	if parent != name {
		if err := f.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, DirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.SyncDir(parent)
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// file keeps a nil *os.File from becoming a non-nil File.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadFile returns the whole content of a file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// WriteAtomic replaces the file's content such that after a crash at any point it
// is either the old content or the new one: temporary name, fsync, rename, fsync
// of the folder. When it returns nil the new content is durable.
func WriteAtomic(fsys FS, name string, data []byte) error {
	dir, base := filepath.Split(name)
	tmp := filepath.Join(dir, TempPrefix+base)
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear %s: %w", tmp, err)
	}
	if err := WriteSynced(fsys, tmp, data); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	return fsys.SyncDir(dir)
}

// WriteSynced makes a new file with the content and syncs it; its name is durable
// only after SyncDir. What it could not finish it removes.
func WriteSynced(fsys FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(name))
	}
	return nil
}

// Sweep removes what unfinished work left in dir: the entries whose names start
// with [TempPrefix]. It returns their names. A missing dir is an empty one.
func Sweep(fsys FS, dir string) ([]string, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var swept []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), TempPrefix) {
			continue
		}
		if err := fsys.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return swept, err
		}
		swept = append(swept, e.Name())
	}
	return swept, nil
}
