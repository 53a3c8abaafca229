package changelog

import (
	"errors"
	"fmt"

	"github.com/brockdb/brock/storage"
)

// What callers match with errors.Is, besides [storage.ErrGap] and [storage.ErrDamaged];
// the errors that are returned say more.
var (
	// ErrBehind says that the log is not complete through the version that was asked for.
	ErrBehind = errors.New("change log is behind")
	// ErrReadOnly says that the log was opened for reading only.
	ErrReadOnly = errors.New("change log is open for reading only")
	// ErrNewer says that a newer Brock wrote the file. See [FormatError].
	ErrNewer = errors.New("written by a newer brock")
)

// BehindError says how far the log goes. It matches [ErrBehind].
type BehindError struct {
	Table   string
	Through storage.Version // 0: the log does not know the table
	Wanted  storage.Version
}

func (e *BehindError) Error() string {
	if e.Through == 0 {
		return fmt.Sprintf("table %s: %v: it has nothing of the table, wanted is version %d", e.Table, ErrBehind, e.Wanted)
	}
	return fmt.Sprintf("table %s: %v: it is complete through version %d, wanted is %d", e.Table, ErrBehind, e.Through, e.Wanted)
}

// Is makes every BehindError match [ErrBehind].
func (e *BehindError) Is(target error) bool { return target == ErrBehind }

// FormatError says that a file has a format that this program does not know. It
// matches [ErrNewer].
type FormatError struct {
	File   string
	Format int // what the file says
	Known  int // the newest that this program reads
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s has format %d, this brock reads up to %d: use the newer brock that wrote it", e.File, e.Format, e.Known)
}

// Is makes every FormatError match [ErrNewer].
func (e *FormatError) Is(target error) bool { return target == ErrNewer }

// Problem is what [Open] or [Log.Verify] found.
type Problem struct {
	Table   string // "" where no single one is concerned
	File    string // name in the log's folder
	Offset  int64  // 0 where not known
	Problem string
}

// problemOf turns an error about a file into a report's line.
func problemOf(file string, err error) Problem {
	p := Problem{File: file, Problem: err.Error()}
	var d *storage.DamageError
	if errors.As(err, &d) {
		p.Table, p.Offset, p.Problem = d.Table, d.Offset, d.Problem
		if d.Err != nil {
			p.Problem += ": " + d.Err.Error()
		}
	}
	return p
}
