package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/brockdb/brock/storage"
)

// A snapshot may be an earlier one plus the change log up to its cut. A restore then
// replays that log, at something like 100,000 changes a second, so its length is
// bounded by what it is compared with: reading the base.
const (
	chainMinBase  = 4 << 20   // bytes of keys and values, or stored; a smaller table is quickly copied whole
	chainMaxLog   = 512 << 20 // bytes of segments, which lie uncompressed until they are merged; 360 MB took 18 s to replay
	chainMaxShare = 8         // the log is at most this part of the base
	chainMaxAge   = 24 * time.Hour
)

// base finds the snapshot that a new one at the cut can go on from.
func (v *Vault) base(ctx context.Context, spec SnapshotSpec) (Base, bool) {
	st, ok := v.changes.Last(spec.Table)
	if !ok || st.Through < spec.Cut {
		return Base{}, false
	}
	s, read, ok := v.newestWhole(spec.Table, spec.Cut)
	if !ok || v.isRotten(s) {
		return Base{}, false
	}
	size := v.changes.Size(spec.Table, s.Cut, spec.Cut)
	if max(s.Bytes, int64(s.Ledger.Bytes)) < v.chainMin || size > min(chainMaxLog, s.Bytes/chainMaxShare) ||
		spec.Cut.Time().Sub(s.Cut.Time()) > chainMaxAge || !v.logged(spec.Table, s.Cut, spec.Cut) {
		return Base{}, false
	}
	// The log is read now, so that the snapshot is known to be what it says, and no
	// restore lies on the way: then other snapshots would be needed, too. Up to the last
	// snapshot that goes on from the same one it was read for that.
	p, err := v.past(ctx, []Snapshot{read}, spec.Table, spec.Cut)
	if err != nil || len(p.legs) != 1 || p.legs[0].restored != nil || p.Ledger.Version != spec.Ledger.Version || !p.Ledger.Agrees(spec.Ledger) {
		return Base{}, false
	}
	return Base{Snapshot: s.Name, ManifestSHA256: s.ManifestSHA256, Cut: s.Cut, Bytes: s.Bytes, LogBytes: size}, true
}

// newestWhole returns the newest complete snapshot before the cut that stands by
// itself, and the newest of those that go on from it (itself, where there is none). It
// looks at no more of them than it must: that takes the longer the more files they have.
func (v *Vault) newestWhole(table string, cut storage.Version) (whole, read Snapshot, ok bool) {
	names, err := v.snapNames(table)
	if err != nil {
		return whole, read, false
	}
	seen := newLooks()
	for _, name := range names {
		m, _, err := v.readManifest(table, name.String())
		if err != nil || m.Cut >= cut || m.Base != nil && read.Name != "" {
			continue
		}
		s, err := v.lookAt(seen, table, m.Snapshot)
		switch {
		case err != nil:
		case m.Base == nil:
			if read.Base != s.Name {
				read = s
			}
			return s, read, true
		default:
			read = s
		}
	}
	return whole, read, false
}

// logged says whether the change log has all of the table between two cuts.
func (v *Vault) logged(table string, from, to storage.Version) bool {
	for _, r := range v.changes.Ranges(table) {
		if r.From <= from && r.To >= to {
			return true
		}
	}
	return false
}

func (v *Vault) buildChain(spec SnapshotSpec, tmp string, base Base) (Manifest, string, error) {
	m := v.newManifest(spec)
	m.Base, m.Files = &base, []FileInfo{}
	if err := v.freshDir(tmp); err != nil {
		return m, "", err
	}
	sum, err := v.writeManifest(tmp, m)
	return m, sum, err
}

// baseOf returns the snapshot that m goes on from, held.
func (v *Vault) baseOf(seen looks, m *Manifest) (s Snapshot, release func(), err error) {
	release, err = v.Hold(m.Table, m.Base.Snapshot)
	if err != nil {
		return s, nil, err
	}
	s, err = v.lookAt(seen, m.Table, m.Base.Snapshot)
	if err == nil && s.ManifestSHA256 != m.Base.ManifestSHA256 {
		err = &storage.DamageError{Table: m.Table, File: s.Path, Problem: fmt.Sprintf("is not the snapshot that %s goes on from", m.Snapshot)}
	}
	if err == nil && !v.logged(m.Table, m.Base.Cut, m.Cut) {
		err = &storage.DamageError{Table: m.Table, File: v.path(logName), Problem: fmt.Sprintf("the change log has not all that snapshot %s needs", m.Snapshot)}
	}
	if err != nil {
		release()
	}
	return s, release, err
}

func (v *Vault) buildFromChain(ctx context.Context, m *Manifest, dir string, progress func(done, total int64)) error {
	_, release, err := v.baseOf(newLooks(), m)
	if err != nil {
		return err
	}
	defer release()
	snaps, _, err := v.listTable(m.Table)
	if err != nil {
		return err
	}
	snaps = slices.DeleteFunc(snaps, func(s Snapshot) bool { return s.Base != "" || s.Cut > m.Base.Cut })
	p, err := v.past(ctx, snaps, m.Table, m.Cut)
	if err == nil && (p.Ledger.Version != m.Ledger.Version || !p.Ledger.Agrees(m.Ledger)) {
		err = &storage.DamageError{Table: m.Table, File: v.snapDir(m.Table, m.Snapshot), Problem: "the change log leads elsewhere: " + m.Ledger.Differs(p.Ledger)}
	}
	if err != nil {
		return err
	}
	return v.BuildPast(ctx, p, dir, progress)
}

// withBases adds to kept the bases that they go on from.
func withBases(kept, victims []Snapshot) (_, _ []Snapshot) {
	for _, k := range slices.Clone(kept) {
		i := slices.IndexFunc(victims, func(s Snapshot) bool { return s.Name == k.Base })
		if i >= 0 && k.Base != "" {
			kept, victims = append(kept, victims[i]), slices.Delete(victims, i, i+1)
		}
	}
	slices.SortFunc(kept, func(a, b Snapshot) int { return cmp.Compare(b.Cut, a.Cut) })
	return kept, victims
}
