package vault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/brockdb/brock/storage"
)

// Retain keeps the table's keep newest complete snapshots, besides them the newest
// proven one, those that the change log's window needs (0: there is no log), those
// that kept ones go on from, and those in use (see [Vault.Hold]); it removes the table's
// other complete snapshots, oldest first, and returns their names. keep must be at least 1. Damaged snapshots neither count as
// kept nor are removed: they are evidence, which [Vault.Verify] reports. At the
// end it forgets records that nothing refers to any more, within bounds.
//
// After an error removed is what was removed before it.
func (v *Vault) Retain(ctx context.Context, table string, keep int, window time.Duration) (removed []string, err error) {
	leave, err := v.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if keep < 1 {
		return nil, fmt.Errorf("table %s: %w: retention must keep at least 1 snapshot, not %d", table, storage.ErrInvalid, keep)
	}
	if err := storage.CheckTableName(table); err != nil {
		return nil, err
	}
	v.retaining.Lock()
	defer v.retaining.Unlock()
	// A proof that cannot be read may be the newest one's, which stays.
	snaps, _, err := v.listProven(table, func(err error) error { return err })
	if err != nil {
		return nil, fmt.Errorf("retention of table %s: %w; the next one goes on with it", table, err)
	}
	needed, err := v.windowNeeds(ctx, table, snaps, v.now(), window)
	if err != nil {
		return nil, fmt.Errorf("retention of table %s: %w; the next one goes on with it", table, err)
	}
	kept, victims := divide(snaps, keep, needed)
	for _, s := range kept {
		if err := v.keepsAfterAll(s); err != nil {
			return nil, fmt.Errorf("retention of table %s: %w", table, err)
		}
	}
	removed, err = v.removeAll(ctx, inOrder(victims))
	if err == nil {
		err = v.cleanPool(table)
	}
	if err == nil {
		err = v.forget(table)
	}
	if err != nil {
		err = fmt.Errorf("retention of table %s: %w; the next one goes on with it", table, err)
	}
	return removed, err
}

// divide tells which snapshots (newest first) stay, and which go (oldest first).
func divide(snaps []Snapshot, keep int, needed map[string]bool) (kept, victims []Snapshot) {
	proven := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.ProvenAt != nil })
	for i, s := range snaps {
		if i < keep || i == proven || needed[s.Name] {
			kept = append(kept, s)
		} else {
			victims = append(victims, s)
		}
	}
	kept, victims = withBases(kept, victims)
	slices.Reverse(victims)
	return kept, victims
}

func (v *Vault) removeAll(ctx context.Context, victims []Snapshot) (removed []string, err error) {
	for _, s := range victims {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		unclaim, ok := v.claim(s.Table, s.Name)
		if ok && s.Base == "" && !v.free(s) {
			unclaim()
			ok = false
		}
		if !ok {
			continue // in use; the next retention removes it
		}
		err := v.remove(s)
		unclaim()
		if err == nil || v.gone(s.Table, s.Name) { // after an error its folder may be away already
			removed = append(removed, s.Name)
		}
		if err != nil {
			return removed, fmt.Errorf("remove snapshot %s: %w", s.Name, err)
		}
	}
	return removed, nil
}

// inOrder puts those that go on from others before those: a kill in between leaves no
// snapshot without its base.
func inOrder(victims []Snapshot) []Snapshot {
	slices.SortStableFunc(victims, func(a, b Snapshot) int {
		switch {
		case a.Base != "" && b.Base == "":
			return -1
		case a.Base == "" && b.Base != "":
			return 1
		}
		return 0
	})
	return victims
}

// free says that no snapshot of the table goes on from s. One that cannot be read
// might.
func (v *Vault) free(s Snapshot) bool {
	names, err := v.snapNames(s.Table)
	if err != nil {
		return false
	}
	for _, name := range names {
		m, _, err := v.readManifest(s.Table, name.String())
		if err != nil && !v.gone(s.Table, name.String()) || err == nil && m.Base != nil && m.Base.Snapshot == s.Name {
			return false
		}
	}
	return true
}
