package vault

import (
	"errors"
	"fmt"
	"strings"
)

// What callers match with errors.Is; the errors that are returned say more.
var (
	// ErrInUse says that a live process owns the vault.
	ErrInUse = errors.New("vault in use")
	// ErrForeign says that the vault belongs to a hub of another name.
	ErrForeign = errors.New("vault belongs to another hub")
	// ErrNotVault says that the folder is no vault and cannot become one.
	ErrNotVault = errors.New("not a vault")
	// ErrNewer says that a newer Brock wrote the file. See [FormatError].
	ErrNewer = errors.New("written by a newer brock")
	// ErrReadOnly says that the vault was opened without an owner.
	ErrReadOnly = errors.New("vault is open for reading only")
	// ErrNoSnapshot says that the vault has no such snapshot. See [NoSnapshotError].
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrNoRun says that the vault has no record of the run.
	ErrNoRun = errors.New("no such run")
	// ErrNotRestorable says that the vault has no history of that time. See [NotRestorableError].
	ErrNotRestorable = errors.New("cannot be restored")
	// ErrExists says that the name is taken; nothing was written.
	ErrExists = errors.New("exists already")
)

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

// NoSnapshotError says what was asked for and what there is. It matches [ErrNoSnapshot].
type NoSnapshotError struct {
	Table string
	Ref   string   // a snapshot's name, a run id, or "latest"
	Have  []string // names of the table's complete snapshots, newest first
}

func (e *NoSnapshotError) Error() string {
	s := fmt.Sprintf("table %s has no snapshot %q in the vault", e.Table, e.Ref)
	switch {
	case len(e.Have) == 0:
		return s + "; it has none that is complete"
	case len(e.Have) > 10:
		return s + "; the newest are " + strings.Join(e.Have[:10], ", ")
	}
	return s + "; it has " + strings.Join(e.Have, ", ")
}

// Is makes every NoSnapshotError match [ErrNoSnapshot].
func (e *NoSnapshotError) Is(target error) bool { return target == ErrNoSnapshot }
