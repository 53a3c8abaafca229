package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// What callers match with errors.Is.
var (
	ErrNotFound       = storage.ErrNotFound
	ErrConflict       = storage.ErrConflict
	ErrTooLarge       = storage.ErrTooLarge
	ErrInvalid        = storage.ErrInvalid
	ErrInvalidName    = storage.ErrInvalidName
	ErrClosed         = storage.ErrClosed
	ErrUnavailable    = storage.ErrUnavailable
	ErrDamaged        = storage.ErrDamaged
	ErrLost           = storage.ErrLost
	ErrNoSpace        = storage.ErrNoSpace
	ErrUnknownOutcome = storage.ErrUnknownOutcome
	ErrOverloaded     = actors.ErrOverloaded
	ErrUnknownTable   = actors.ErrUnknownTable
	ErrNoSnapshot     = vault.ErrNoSnapshot
	ErrNoRun          = vault.ErrNoRun
	ErrAddrInUse      = bus.ErrAddrInUse
	ErrVaultInUse     = vault.ErrInUse
	ErrVaultForeign   = vault.ErrForeign
	// ErrRunning says that another hub has the data directory open.
	ErrRunning = errors.New("another hub runs on this data directory")
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
}

func (e *FailedError) Error() string {
	return e.What + " " + string(e.Status) + ": " + strings.Join(e.Problems, "; ")
}

// codes names each kind of error on the roads outside, first match first.
var codes = []struct {
	is     error
	code   string
	status int
}{
	{ErrUnknownTable, "unknown_table", http.StatusNotFound},
	{ErrInvalidName, "invalid_name", http.StatusBadRequest},
	{ErrInvalid, "invalid", http.StatusBadRequest},
	{ErrTooLarge, "too_large", http.StatusBadRequest},
	{ErrNoSnapshot, "no_snapshot", http.StatusNotFound},
	{ErrNoRun, "unknown_run", http.StatusNotFound},
	{ErrNotFound, "not_found", http.StatusNotFound},
	{ErrConflict, "conflict", http.StatusConflict},
	{ErrOverloaded, "overloaded", http.StatusTooManyRequests},
	{ErrDamaged, "damaged", http.StatusInternalServerError},
	{ErrNoSpace, "no_space", http.StatusInsufficientStorage},
	{ErrUnknownOutcome, "unknown_outcome", http.StatusInternalServerError},
	{ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{ErrClosed, "closed", http.StatusServiceUnavailable},
	{disk.ErrLocked, "locked", http.StatusConflict},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout},
}

// Outside gives an error the form that it has on every road: code, status and
// message. Error values that have it already pass.
func Outside(err error) *bus.Error {
	var known *bus.Error
	if errors.As(err, &known) {
		return known
	}
	out := &bus.Error{Code: bus.CodeInternal, Status: http.StatusInternalServerError, Message: err.Error()}
	for _, c := range codes {
		if errors.Is(err, c.is) {
			out.Code, out.Status = c.code, c.status
			break
		}
	}
	var damage *DamageError
	var down *UnavailableError
	switch {
	case errors.As(err, &down):
		out.Table = down.Table
	case errors.As(err, &damage):
		out.Table = damage.Table
	}
	return out
}
