package disk

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Below is [OS], but that no symbolic link leads out of the folders: what lies below one
// is reached through an [os.Root] there, and a link that leaves it is refused. The
// folders themselves may be links, and may be away and come back: none is held open.
func Below(dirs ...string) FS {
	b := below{}
	for _, d := range dirs {
		b.dirs = append(b.dirs, filepath.Clean(d))
	}
	slices.SortFunc(b.dirs, func(x, y string) int { return cmp.Compare(len(y), len(x)) }) // the innermost counts
	return b
}

type below struct {
	osFS
	dirs []string
}

// split finds the folder that a name lies below.
func (b below) split(name string) (dir, rel string, ok bool) {
	for _, d := range b.dirs {
		if rel, err := filepath.Rel(d, name); err == nil && rel != "." && filepath.IsLocal(rel) {
			return d, rel, true
		}
	}
	return "", "", false
}

// in runs f with the root that the name lies below, or else plain.
func in[T any](b below, name string, f func(r *os.Root, rel string) (T, error), plain func(string) (T, error)) (out T, err error) {
	dir, rel, ok := b.split(name)
	if !ok {
		return plain(name)
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return out, complete(err, name)
	}
	out, err = f(r, rel)
	return out, errors.Join(complete(err, name), r.Close())
}

// complete gives an error the complete name, and the system call's usual one.
func complete(err error, name string) error {
	var p *fs.PathError
	if err == nil || !errors.As(err, &p) {
		return err
	}
	return &fs.PathError{Op: strings.TrimSuffix(p.Op, "at"), Path: name, Err: p.Err}
}

type none = struct{}

func only(f func(*os.Root, string) error) func(*os.Root, string) (none, error) {
	return func(r *os.Root, rel string) (none, error) { return none{}, f(r, rel) }
}

func alone(f func(string) error) func(string) (none, error) {
	return func(name string) (none, error) { return none{}, f(name) }
}

// Create implements [FS].
func (b below) Create(name string) (File, error) {
	return in(b, name, func(r *os.Root, rel string) (File, error) {
		return file(r.OpenFile(rel, os.O_RDWR|os.O_CREATE|os.O_EXCL, FileMode))
	}, b.osFS.Create)
}

// Open implements [FS].
func (b below) Open(name string) (File, error) {
	return in(b, name, func(r *os.Root, rel string) (File, error) { return file(r.Open(rel)) }, b.osFS.Open)
}

// OpenWrite implements [FS].
func (b below) OpenWrite(name string) (File, error) {
	return in(b, name, func(r *os.Root, rel string) (File, error) {
		return file(r.OpenFile(rel, os.O_RDWR|os.O_CREATE, FileMode))
	}, b.osFS.OpenWrite)
}

// Rename implements [FS].
func (b below) Rename(oldname, newname string) error {
	from, old, ok := b.split(oldname)
	to, rel, inside := b.split(newname)
	if !ok || !inside || from != to {
		return b.osFS.Rename(oldname, newname)
	}
	r, err := os.OpenRoot(from)
	if err != nil {
		return complete(err, oldname)
	}
	err = r.Rename(old, rel)
	var l *os.LinkError
	if errors.As(err, &l) {
		err = &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: l.Err}
	}
	return errors.Join(err, r.Close())
}

// Remove implements [FS].
func (b below) Remove(name string) error {
	_, err := in(b, name, only((*os.Root).Remove), alone(b.osFS.Remove))
	return err
}

// RemoveAll implements [FS].
func (b below) RemoveAll(name string) error {
	_, err := in(b, name, only((*os.Root).RemoveAll), alone(b.osFS.RemoveAll))
	if errors.Is(err, fs.ErrNotExist) { // the folder itself is away
		return nil
	}
	return err
}

// MkdirAll implements [FS].
func (b below) MkdirAll(name string) error {
	if _, _, ok := b.split(name); !ok {
		return b.osFS.MkdirAll(name)
	}
	parent := filepath.Dir(name)
	if _, err := b.Stat(name); err == nil {
		return b.SyncDir(parent) // see osFS
	}
	if err := b.MkdirAll(parent); err != nil {
		return err
	}
	_, err := in(b, name, only(func(r *os.Root, rel string) error { return r.Mkdir(rel, DirMode) }), nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.SyncDir(parent)
}

// ReadDir implements [FS].
func (b below) ReadDir(name string) ([]fs.DirEntry, error) {
	return in(b, name, func(r *os.Root, rel string) ([]fs.DirEntry, error) {
		d, err := r.Open(rel)
		if err != nil {
			return nil, err
		}
		entries, err := d.ReadDir(-1)
		slices.SortFunc(entries, func(x, y fs.DirEntry) int { return cmp.Compare(x.Name(), y.Name()) })
		return entries, errors.Join(err, d.Close())
	}, b.osFS.ReadDir)
}

// Stat implements [FS].
func (b below) Stat(name string) (fs.FileInfo, error) {
	return in(b, name, (*os.Root).Stat, b.osFS.Stat)
}

// SyncDir implements [FS].
func (b below) SyncDir(name string) error {
	_, err := in(b, name, only(func(r *os.Root, rel string) error {
		d, err := r.Open(rel)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	}), alone(b.osFS.SyncDir))
	return err
}
