package app

import (
	"strings"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
)

// What callers match with errors.Is. Other errors of the system keep the names that Go
// gives them: fs.ErrPermission, syscall.EROFS, syscall.EMFILE, syscall.EIO.
var (
	ErrNotFound       = storage.ErrNotFound
	ErrConflict       = storage.ErrConflict
	ErrTooLarge       = storage.ErrTooLarge
	ErrInvalid        = storage.ErrInvalid
	ErrInvalidName    = storage.ErrInvalidName
	ErrClosed         = storage.ErrClosed
	ErrUnavailable    = storage.ErrUnavailable
	ErrQuarantined    = actors.ErrQuarantined
	ErrDamaged        = storage.ErrDamaged
	ErrLost           = storage.ErrLost
	ErrNoSpace        = storage.ErrNoSpace
	ErrUnknownOutcome = storage.ErrUnknownOutcome
	ErrOverloaded     = actors.ErrOverloaded
	ErrUnknownTable   = actors.ErrUnknownTable
	ErrNoSnapshot     = vault.ErrNoSnapshot
	ErrNoRun          = vault.ErrNoRun
	ErrNotRestorable  = vault.ErrNotRestorable
	ErrForked         = storage.ErrForked
	ErrGap            = storage.ErrGap
	ErrAddrInUse      = bus.ErrAddrInUse
	ErrNotLoopback    = bus.ErrNotLoopback
	ErrVaultInUse     = vault.ErrInUse
	ErrVaultForeign   = vault.ErrForeign
	// ErrRunning says that another hub has the data directory open.
	ErrRunning = road.ErrRunning
)

// What callers match with errors.As.
type (
	// RunError says that a backup did not succeed in every table.
	RunError = actors.RunError
	// DamageError says that stored bytes are not what was written.
	DamageError = storage.DamageError
	// UnavailableError says that a table does not serve, and why.
	UnavailableError = actors.UnavailableError
)

// FailedError says that a restore, drill, verify or compaction did not succeed in
// everything. The result that is returned beside it has the details.
type FailedError struct {
	What     string   // restore, drill, verify or compaction
	Status   Status   // partial or failed
	Problems []string // one a table or file
	Causes   []error  // of problems, as far as they have any
}

// Unwrap returns the causes, for errors.Is.
func (e *FailedError) Unwrap() []error { return e.Causes }

// add notes a problem, and its cause where there is one.
func (e *FailedError) add(problem string, cause error) {
	e.Problems = append(e.Problems, problem)
	if cause != nil {
		e.Causes = append(e.Causes, storage.Named(cause))
	}
}

func (e *FailedError) Error() string {
	return e.What + " " + string(e.Status) + ": " + strings.Join(e.Problems, "; ")
}
