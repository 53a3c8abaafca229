package vault

import (
	"context"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
)

// Restorable returns the stretches of versions at which the table can be restored,
// oldest first. Of what lies between them only snapshots can be.
func (v *Vault) Restorable(table string) ([]changelog.Range, error) {
	snaps, _, err := v.listTable(table)
	return v.restorable(table, snaps), err
}

// born is when the vault was made: a moment before is no moment of these tables, though
// the log of a table that began later says that it was empty then. (A wall clock that
// was set back may have given commits an earlier time.)
func (v *Vault) born() storage.Version {
	born := storage.VersionAt(v.mark.CreatedAt)
	if segments := v.changes.Segments(); len(segments) > 0 && segments[0].From == 0 {
		born = min(born, segments[0].To)
	}
	return born
}

// restorable: a stretch of the log counts from the oldest snapshot in it, or from
// the vault's own begin where it is the table's. What comes after a restore, up to the
// next snapshot or restore, counts where what was restored still does: retention keeps
// that for the window only.
func (v *Vault) restorable(table string, snaps []Snapshot) (out []changelog.Range) {
	for _, r := range v.changes.Ranges(table) {
		from := storage.MaxVersion
		for _, s := range snaps {
			if s.Cut >= r.From && s.Cut <= r.To {
				from = min(from, s.Cut)
			}
		}
		if r.From == 0 {
			from = min(from, v.born())
		}
		if from <= r.To {
			out = append(out, changelog.Range{From: from, To: r.To})
		}
	}
	restores, err := v.changes.Restores(context.Background(), table) // seldom any, and read once
	if err != nil {
		return out // what cannot be read for now may be restorable
	}
	for i, r := range restores {
		if r.From == 0 || covers(out, r.From) || slices.ContainsFunc(snaps, func(s Snapshot) bool { return s.Cut == r.From }) {
			continue
		}
		next := storage.MaxVersion
		if i+1 < len(restores) {
			next = restores[i+1].At
		}
		for _, s := range snaps {
			if s.Cut >= r.At {
				next = min(next, s.Cut)
			}
		}
		out = without(out, r.At, next)
	}
	return out
}

func covers(ranges []changelog.Range, v storage.Version) bool {
	return slices.ContainsFunc(ranges, func(r changelog.Range) bool { return r.From <= v && v <= r.To })
}

// without cuts the versions from from up to and without to out of the ranges.
func without(ranges []changelog.Range, from, to storage.Version) (out []changelog.Range) {
	for _, r := range ranges {
		if r.To < from || to <= r.From {
			out = append(out, r)
			continue
		}
		if r.From < from {
			out = append(out, changelog.Range{From: r.From, To: from - 1})
		}
		if to <= r.To {
			out = append(out, changelog.Range{From: to, To: r.To})
		}
	}
	return out
}
