package storage

import (
	"errors"
	"fmt"
)

// What callers match with errors.Is. The errors that are returned say more: what
// happened, to which table and file, and what to do next.
var (
	// ErrNotFound says that no live record has the key.
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that the condition of a write did not hold; nothing of its batch was written.
	ErrConflict = errors.New("condition not met")
	// ErrTooLarge says that a key, value or batch is above its limit; nothing was written.
	ErrTooLarge = errors.New("too large")
	// ErrInvalidName says that a table's or hub's name is not allowed.
	ErrInvalidName = errors.New("invalid name")
	// ErrInvalid says that an argument makes no sense; nothing was done.
	ErrInvalid = errors.New("invalid")
	// ErrClosed says that the store, table or hub is closed.
	ErrClosed = errors.New("closed")
	// ErrUnavailable says that the table does not serve now. The error says why.
	ErrUnavailable = errors.New("table unavailable")
	// ErrDamaged says that stored bytes are not what was written. See [DamageError].
	ErrDamaged = errors.New("damaged")
	// ErrTailLost says that the last commits of a store are gone; the change log may
	// have them. It comes with [ErrDamaged].
	ErrTailLost = errors.New("the last commits are gone")
	// ErrLost says that a table which has a history has no store on this disk.
	ErrLost = errors.New("store is missing")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("in use by another process")
	// ErrNoSpace says that free space is below the watermark, or the disk full; nothing
	// was written.
	ErrNoSpace = errors.New("disk almost full")
	// ErrUnknownOutcome says that a commit failed in a way that leaves open whether it
	// was written. The table reads back what happened; so must the caller.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrForked says that a store and the change log each have commits which the other has
	// not: two hubs had the vault in turns.
	ErrForked = errors.New("the vault has another past of the table")
	// ErrGap says that commits are missing in a history. See [GapError].
	ErrGap = errors.New("history has a gap")
	// ErrCutPending says that a cut was published which the table has not pinned.
	ErrCutPending = errors.New("a cut is pending")
)

// DamageError says that what was read is not what was written. It matches [ErrDamaged].
type DamageError struct {
	Table   string // the table, "" where none is concerned
	File    string // the file or folder that holds the damage, "" when not known
	Offset  int64  // where in the file; 0 when not known
	Problem string // what is wrong, for a person
	Err     error  // the cause, or nil
}

func (e *DamageError) Error() string {
	s := "damaged"
	if e.Table != "" {
		s = "table " + e.Table + " is damaged"
	}
	if e.File != "" {
		s += ": " + e.File
	}
	if e.Offset > 0 {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	s += ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Is makes every DamageError match [ErrDamaged].
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// GapError says that commits of a table are missing where a history should be
// whole. It matches [ErrGap].
type GapError struct {
	Table        string
	After, Until Version // the commits between are not all there
	Problem      string
}

func (e *GapError) Error() string {
	return fmt.Sprintf("table %s: %v: between versions %d and %d: %s", e.Table, ErrGap, e.After, e.Until, e.Problem)
}

// Is matches [ErrGap].
func (e *GapError) Is(target error) bool { return target == ErrGap }
