package actors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
)

// What callers match with errors.Is, besides storage's errors.
var (
	// ErrOverloaded says that too many writes wait; nothing was written, try again later.
	ErrOverloaded = errors.New("too many writes are waiting")
	// ErrQuarantined says that a table does not serve because its store is damaged. It
	// comes with what is damaged, and stands until the table was restored, by itself or
	// by a person.
	ErrQuarantined = errors.New("quarantined")
	// ErrUnknownTable says that the hub has no table of that name.
	ErrUnknownTable = errors.New("unknown table")
)

// unknownTable says which tables there are, since the name may be mistyped; a few where
// there are many.
func unknownTable(name string, tables []string) error {
	const few = 12
	there := strings.Join(tables[:min(len(tables), few)], ", ")
	if more := len(tables) - few; more > 0 {
		there += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%w: %.80q; there are %s", ErrUnknownTable, name, there)
}

// UnavailableError says that a table does not serve now, and why. It matches
// storage.ErrUnavailable and its cause.
type UnavailableError struct {
	Table string
	Err   error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("table %s is unavailable: %s", e.Table, strings.TrimPrefix(e.Err.Error(), "table "+e.Table+": "))
}

// Is makes every UnavailableError match storage.ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == storage.ErrUnavailable }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// RunError says that a backup did not succeed in every table. The run tells which.
type RunError struct {
	Run vault.Run
	Err error // what concerns the run as a whole, or nil
}

func (e *RunError) Error() string {
	s := fmt.Sprintf("backup %s: %d of %d tables failed", e.Run.Status, len(e.Run.TablesFailed), e.Run.TablesTotal)
	for _, r := range e.Run.Results {
		if r.Error != "" {
			s += "; " + r.Table + ": " + r.Error
		}
	}
	if e.Err != nil {
		s += "; " + e.Err.Error()
	}
	return s
}

// Unwrap returns what concerns the run as a whole, and the causes of its tables.
func (e *RunError) Unwrap() (all []error) {
	if e.Err != nil {
		all = append(all, storage.Named(e.Err))
	}
	for _, r := range e.Run.Results {
		if r.Cause != nil {
			all = append(all, r.Cause)
		}
	}
	return all
}
