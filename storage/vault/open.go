package vault

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
)

// Open opens the vault in dir as its owner, making it where the folder is missing
// or empty, and removes what interrupted work left under temporary names (see
// [Vault.Swept]). It fails with an error that matches [ErrInUse] while another
// owner is alive, [ErrForeign] where the vault belongs to a hub of another name,
// [ErrNewer], [ErrNotVault], or [storage.ErrDamaged] where brock.json is.
func Open(fsys disk.FS, dir string, owner Owner, o Options) (*Vault, error) {
	if err := owner.check(); err != nil {
		return nil, err
	}
	v := newVault(fsys, dir, o)
	if _, _, err := v.recognise(owner); err != nil { // before anything is written
		return nil, err
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, cannotUse(dir, err)
	}
	if err := v.lock(o.Lock); err != nil {
		return nil, err
	}
	if err := v.own(owner); err != nil {
		return nil, errors.Join(err, v.unlock())
	}
	return v, nil
}

// OpenReadOnly opens the vault in dir for listing, verifying and restoring. It takes
// no lock and writes nothing, so it works beside a live owner, on read-only media,
// and where brock.json is lost or damaged, which [Vault.Verify] then reports.
func OpenReadOnly(fsys disk.FS, dir string) (*Vault, error) {
	v := newVault(fsys, dir, Options{})
	v.readOnly = true
	m, ok, err := readMarker(fsys, dir)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w: it has no %s: check the path", dir, ErrNotVault, markerName)
	}
	if err != nil && !errors.Is(err, storage.ErrDamaged) {
		return nil, err
	}
	v.mark = m
	return v, v.openLog("", nil)
}

// openLog opens the change log.
func (v *Vault) openLog(hubID string, log *slog.Logger) (err error) {
	v.changes, err = changelog.Open(v.fs, v.path(logName), v.mark.Vault, hubID, changelog.Options{ReadOnly: v.readOnly, Logger: log})
	return err
}

func (v *Vault) recognise(owner Owner) (m marker, ok bool, err error) {
	m, ok, err = readMarker(v.fs, v.dir)
	if ok && m.Hub != owner.Hub {
		err = fmt.Errorf("vault %s: %w: it is hub %q's, this is hub %q: choose another folder, or name this hub %q", v.dir, ErrForeign, m.Hub, owner.Hub, m.Hub)
	}
	return m, ok, err
}

func (v *Vault) lock(take func(string) (func() error, error)) error {
	if take == nil {
		take = func(file string) (func() error, error) {
			l, err := disk.TryLock(file)
			if err != nil {
				return nil, err
			}
			return l.Unlock, nil
		}
	}
	unlock, err := take(v.path(lockName))
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("vault %s: %w by a live owner: stop that hub, or choose another folder: %w", v.dir, ErrInUse, err)
	}
	if err != nil {
		return cannotUse(v.dir, err)
	}
	v.unlock = unlock
	return nil
}

// own reads or writes the marker and sweeps. The lock is held.
func (v *Vault) own(owner Owner) error {
	m, ok, err := v.recognise(owner)
	if err != nil {
		return err
	}
	if ok && m.HubID != owner.ID {
		v.earlier = m.HubID
		v.log.Warn("the vault was last owned by a hub of the same name and another id; going on with it", "vault", v.dir, "hub", m.Hub, "earlier_id", m.HubID, "id", owner.ID)
	}
	if !ok {
		m = marker{Format: markerFormat, Vault: fmt.Sprintf("%016x", random64()), CreatedAt: v.present()}
	}
	if !ok || m.HubID != owner.ID {
		m.Hub, m.HubID = owner.Hub, owner.ID
		if err := v.writeMarker(m); err != nil {
			return cannotUse(v.dir, err)
		}
	}
	v.mark = m
	if v.swept, err = v.sweep(); err != nil {
		return cannotUse(v.dir, err)
	}
	for _, name := range v.swept {
		v.log.Info("removed what unfinished work left", "vault", v.dir, "file", name)
	}
	return v.openLog(owner.ID, v.log)
}

func (v *Vault) writeMarker(m marker) error {
	data, _, err := seal(m)
	if err != nil {
		return err
	}
	return disk.WriteAtomic(v.fs, v.path(markerName), data)
}
