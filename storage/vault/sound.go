package vault

import (
	"context"
	"errors"

	"github.com/brockdb/brock/storage"
)

// PastOf is the past that a snapshot is by itself.
func PastOf(s Snapshot) Past {
	return Past{Table: s.Table, At: s.Cut, Snapshot: s.Name, Base: s.Ledger, Ledger: s.Ledger, Bytes: s.Bytes}
}

// BuildSound is [Vault.BuildPast], but where the way turns out to be damaged it takes
// another one that leads to the same commit: from an older snapshot, by more of the change
// log. It returns the past that it built. Where there is no other way the error says what
// is wrong with each.
func (v *Vault) BuildSound(ctx context.Context, p Past, dir string, progress func(done, total int64)) (Past, error) {
	bad, failed := map[string]bool{}, []error{}
	for way := p; ; {
		err := v.BuildPast(ctx, way, dir, progress)
		if err == nil {
			return way, nil
		}
		if failed = append(failed, err); ctx.Err() != nil || !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, ErrNoSnapshot) {
			return way, errors.Join(failed...)
		}
		if way.Snapshot == "" {
			return p, errors.Join(failed...)
		}
		bad[way.Snapshot] = true
		v.log.Warn("what a table is restored from is damaged; another way is looked for", "table", p.Table, "snapshot", way.Snapshot, "err", err)
		next, err := v.PastFrom(ctx, p.Table, p.At, func(s Snapshot) bool { return !bad[s.Name] && !bad[s.Base] })
		if err != nil {
			return p, errors.Join(append(failed, err)...)
		}
		if next.Ledger.Version != p.Ledger.Version || !next.Ledger.Agrees(p.Ledger) {
			return p, errors.Join(failed...)
		}
		way = next
	}
}
