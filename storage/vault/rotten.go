package vault

import (
	"errors"

	"github.com/brockdb/brock/storage"
)

// What a verify, drill or restore finds damaged must not be built upon. The next snapshot
// of the table does not go on from it, and copies every live file anew, over those of
// the pool: so what older snapshots share with it is whole again, too. This is known
// until the vault is closed; the next process copies anew anyway.

// noteRot takes note of a snapshot that an error says is damaged.
func (v *Vault) noteRot(table, snapshot string, err error) {
	if !errors.Is(err, storage.ErrDamaged) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rotten[table+"/"+snapshot] = true
	for f := range v.pools {
		if f.instance == v.instances[table] {
			delete(v.pools, f)
		}
	}
}

// noteSound takes note of a snapshot that was restored for proof.
func (v *Vault) noteSound(table, snapshot string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.rotten, table+"/"+snapshot)
}

// isRotten says so of a snapshot, and of one that goes on from such a one.
func (v *Vault) isRotten(s Snapshot) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rotten[s.Table+"/"+s.Name] || s.Base != "" && v.rotten[s.Table+"/"+s.Base]
}
