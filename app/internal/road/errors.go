package road

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// codes names each kind of error, first match first.
var codes = []struct {
	is     error
	code   string
	status int
}{
	{actors.ErrUnknownTable, "unknown_table", http.StatusNotFound},
	{storage.ErrInvalidName, "invalid_name", http.StatusBadRequest},
	{storage.ErrInvalid, "invalid", http.StatusBadRequest},
	{storage.ErrTooLarge, "too_large", http.StatusBadRequest},
	{vault.ErrNoSnapshot, "no_snapshot", http.StatusNotFound},
	{vault.ErrNoRun, "unknown_run", http.StatusNotFound},
	{vault.ErrNotRestorable, "not_restorable", http.StatusNotFound},
	{storage.ErrGap, "gap", http.StatusGone},
	{storage.ErrNotFound, "not_found", http.StatusNotFound},
	{storage.ErrConflict, "conflict", http.StatusConflict},
	{actors.ErrOverloaded, "overloaded", http.StatusTooManyRequests},
	{actors.ErrQuarantined, "quarantined", http.StatusServiceUnavailable},
	{storage.ErrDamaged, "damaged", http.StatusInternalServerError},
	{storage.ErrNoSpace, "no_space", http.StatusInsufficientStorage},
	{storage.ErrUnknownOutcome, "unknown_outcome", http.StatusInternalServerError},
	{storage.ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{storage.ErrClosed, "closed", http.StatusServiceUnavailable},
	{disk.ErrLocked, "locked", http.StatusConflict},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout},
	{syscall.ENOSPC, "no_space", http.StatusInsufficientStorage},
	{syscall.EDQUOT, "no_space", http.StatusInsufficientStorage},
	{syscall.EROFS, "read_only", http.StatusInternalServerError},
	{fs.ErrPermission, "no_permission", http.StatusInternalServerError},
	{syscall.EMFILE, "too_many_files", http.StatusServiceUnavailable},
	{syscall.ENFILE, "too_many_files", http.StatusServiceUnavailable},
	{syscall.EIO, "disk_error", http.StatusInternalServerError},
}

// Error gives an error the form that it has on every road: code, status and message.
// One that has it already passes.
func Error(err error) *bus.Error {
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
	var damage *storage.DamageError
	var down *actors.UnavailableError
	switch {
	case errors.As(err, &down):
		out.Table = down.Table
	case errors.As(err, &damage):
		out.Table = damage.Table
	}
	return out
}
