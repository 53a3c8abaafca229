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

// PastOfDamaged is how to get at what a damaged snapshot held without it: by an older one
// and the change log. Its manifest must be sound, for it says what that was.
func (v *Vault) PastOfDamaged(ctx context.Context, table, ref string) (p Past, run string, err error) {
	names, err := v.snapNames(table)
	if err != nil {
		return p, "", err
	}
	var failed []error
	for _, name := range names { // newest first
		if ref != Latest && ref != name.String() && ref != name.run {
			continue
		}
		m, _, err := v.readManifest(table, name.String())
		if err != nil && ref == Latest {
			failed = append(failed, err)
			continue
		}
		if err != nil {
			return p, "", err
		}
		p, err = v.PastFrom(ctx, table, m.Cut, func(s Snapshot) bool { return s.Name != m.Snapshot })
		if err == nil && (p.Ledger.Version != m.Ledger.Version || !p.Ledger.Agrees(m.Ledger)) {
			err = &storage.DamageError{Table: table, File: v.path(logName), Problem: "the change log leads elsewhere than to snapshot " + m.Snapshot}
		}
		return p, m.Run, err
	}
	return p, "", errors.Join(append(failed, v.noSnapshot(table, ref))...)
}
