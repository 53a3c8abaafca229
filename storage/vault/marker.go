package vault

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

const markerFormat = 1

// marker is brock.json: it makes a folder a vault and says whose.
type marker struct {
	Format    int       `json:"format"`
	Vault     string    `json:"vault"` // random; manifests repeat it
	Hub       string    `json:"hub"`
	HubID     string    `json:"hub_id"`
	CreatedAt time.Time `json:"created_at"`
}

// readMarker returns the folder's marker, or ok false where there is none yet and
// the folder may become a vault.
func readMarker(fsys disk.FS, dir string) (m marker, ok bool, err error) {
	file := filepath.Join(dir, markerName)
	_, err = readSealed(fsys, file, markerFormat, &m)
	switch {
	case err == nil:
	case isMissing(err):
		return marker{}, false, checkVacant(fsys, dir)
	case errors.Is(err, ErrNewer):
		return marker{}, false, err
	case errors.Is(err, storage.ErrDamaged):
		return marker{}, false, fmt.Errorf("%w; list, verify and restore still work on the vault, new backups need the file back", err)
	default:
		return marker{}, false, cannotUse(dir, err)
	}
	if m.Vault == "" || (Owner{m.Hub, m.HubID}).check() != nil || m.CreatedAt.IsZero() { // another document has some of it
		return marker{}, false, &storage.DamageError{File: file, Problem: "names no vault and owner"}
	}
	return m, true, nil
}

// checkVacant refuses folders that hold something else, and vaults that lost their
// marker. The lock and temporary names are what a first start may leave.
func checkVacant(fsys disk.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return cannotUse(dir, err)
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockName, name == "lost+found", strings.HasPrefix(name, disk.TempPrefix):
		case slices.Contains([]string{runsName, tablesName, proofsName, removalsName, logName}, name):
			return &storage.DamageError{File: filepath.Join(dir, markerName), Problem: "is missing, but the folder holds backups: put the file back; list, verify and restore work without it"}
		default:
			return fmt.Errorf("%s: %w: it has no %s and holds %q: choose an empty folder or an existing vault", dir, ErrNotVault, markerName, name)
		}
	}
	return nil
}

// cannotUse explains errors of the system at the vault's door.
func cannotUse(dir string, err error) error {
	return fmt.Errorf("vault %s cannot be used: %w: check that it is a folder, mounted, writable for this user and not full", dir, err)
}
