package vault

import (
	"path/filepath"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

const removalFormat = 1

// removal says that retention meant to remove a snapshot. It is durable before the
// removal begins, so a recorded snapshot that is gone without one is a loss.
type removal struct {
	Format         int       `json:"format"`
	Table          string    `json:"table"`
	Snapshot       string    `json:"snapshot"`
	Run            string    `json:"run"`
	ManifestSHA256 string    `json:"manifest_sha256"`
	RemovedAt      time.Time `json:"removed_at"`
}

func (v *Vault) removalFile(table, name string) string {
	return v.path(removalsName, table, name+".json")
}

// readRemoval reads and checks the record of a removal.
func (v *Vault) readRemoval(table, name string) (r removal, err error) {
	file := v.removalFile(table, name)
	if _, err := readSealed(v.fs, file, removalFormat, &r); err != nil {
		return removal{}, inTable(err, table)
	}
	if r.Table != table || r.Snapshot != name || r.RemovedAt.IsZero() { // a manifest has the names, too
		return removal{}, &storage.DamageError{Table: table, File: file, Problem: "record is of another removal than its name says"}
	}
	return r, nil
}

// remove takes a snapshot out of the vault: record, rename to a temporary name,
// both durable, then the files. A crash leaves the whole snapshot or a temporary name.
func (v *Vault) remove(s Snapshot) error {
	r := removal{removalFormat, s.Table, s.Name, s.Run, s.ManifestSHA256, v.present()}
	if old, err := v.readRemoval(s.Table, s.Name); err == nil {
		r = old // an earlier attempt was interrupted
	}
	data, _, err := seal(r)
	if err != nil {
		return err
	}
	if err := v.fs.MkdirAll(v.path(removalsName, s.Table)); err != nil {
		return err
	}
	if err := disk.WriteAtomic(v.fs, v.removalFile(s.Table, s.Name), data); err != nil {
		return err
	}
	final, tmp := v.snapDir(s.Table, s.Name), v.snapDir(s.Table, disk.TempPrefix+"removed-"+s.Name)
	if err := v.fs.Rename(final, tmp); err != nil {
		return err
	}
	if err := v.fs.SyncDir(filepath.Dir(final)); err != nil {
		return err
	}
	return v.fs.RemoveAll(tmp)
}

// keepsAfterAll forgets an interrupted removal of a snapshot that is kept now.
func (v *Vault) keepsAfterAll(s Snapshot) error {
	file := v.removalFile(s.Table, s.Name)
	if err := v.fs.Remove(file); err != nil {
		if isMissing(err) {
			return nil
		}
		return err
	}
	return v.fs.SyncDir(filepath.Dir(file))
}
