package vault

import "sync"

// Hold keeps a snapshot from retention until release is called, for a restore say.
// It fails with a [NoSnapshotError] where retention is removing the snapshot
// already. Holds are this process's own: a restore by another process may lose a
// snapshot to retention, and then fails without harm. release may be called again.
func (v *Vault) Hold(table, snapshot string) (release func(), err error) {
	if err := checkSnapshotNames(table, snapshot); err != nil {
		return nil, err
	}
	key := table + "/" + snapshot
	v.mu.Lock()
	leaving := v.leaving[key]
	if !leaving {
		v.held[key]++
	}
	v.mu.Unlock()
	if leaving {
		return nil, v.noSnapshot(table, snapshot)
	}
	return sync.OnceFunc(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.held[key]--; v.held[key] == 0 {
			delete(v.held, key)
		}
	}), nil
}

// claim marks a snapshot as leaving, unless it is in use or claimed.
func (v *Vault) claim(table, snapshot string) (unclaim func(), ok bool) {
	key := table + "/" + snapshot
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held[key] > 0 || v.leaving[key] {
		return nil, false
	}
	v.leaving[key] = true
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.leaving, key)
	}, true
}
