package vault

import (
	"context"
	"slices"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
)

// anchorsPerWindow is in how many parts the change log's window is divided: of each
// part that is over its newest snapshot stays, so that there is always one not far
// below the window's start and the log before it can go.
const anchorsPerWindow = 4

// anchors returns the snapshots, newest first, that the change log's window needs:
// the newest one below its start, and those that will be that one day.
func anchors(snaps []Snapshot, now time.Time, window time.Duration) map[string]bool {
	stay := map[string]bool{}
	if window <= 0 {
		return stay
	}
	part := max(window/anchorsPerWindow, time.Millisecond)
	start, current := now.Add(-window), now.UnixMilli()/part.Milliseconds()
	last := current
	for _, s := range snaps {
		at := s.Cut.Time()
		if !at.After(start) {
			stay[s.Name] = true
			break
		}
		if n := at.UnixMilli() / part.Milliseconds(); n < last {
			stay[s.Name], last = true, n
		}
	}
	return stay
}

// keepBegins adds the snapshots that a stretch of the log can be read from: the first one
// behind each break, while the window has moments that nothing else leads to.
func keepBegins(needed map[string]bool, ranges []changelog.Range, snaps []Snapshot, start storage.Version) {
	for _, r := range ranges {
		if r.From == 0 || r.To <= start {
			continue // it begins empty, or is over
		}
		first := -1
		for i, s := range snaps { // newest first
			if s.Cut < r.From || s.Cut > r.To {
				continue
			}
			if first = i; s.Cut <= start {
				break
			}
		}
		if first >= 0 {
			needed[snaps[first].Name] = true
		}
	}
}

// TrimLog removes the segments of the change log that no restore needs any more:
// those before the oldest snapshot of each table, once that lies below the window's
// start. A snapshot that [Vault.Retain], with the same keep and window, leaves for its
// proof alone does not count, or the log would go back to it until something newer is
// proven; what it goes on from counts. It returns their names.
func (v *Vault) TrimLog(ctx context.Context, keep int, window time.Duration) (removed []string, err error) {
	leave, err := v.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	v.retaining.Lock()
	defer v.retaining.Unlock()
	now := v.now()
	start := storage.VersionAt(now.Add(-window))
	before := v.changes.Through()
	for _, table := range v.changes.Tables() {
		st, _ := v.changes.Last(table)
		snaps, problems, err := v.listTable(table)
		if err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			return nil, nil // what is damaged may have to be made again from the log
		}
		need, err := v.sourcesNeed(ctx, table, snaps, start)
		if err != nil {
			return nil, err
		}
		needed, err := v.windowNeeds(ctx, table, snaps, now, window)
		if err != nil {
			return nil, err
		}
		before = min(before, needsLog(snaps, keep, needed, st, start), need)
	}
	if before == 0 {
		return nil, nil
	}
	return v.changes.Remove(ctx, before)
}

// windowNeeds names the snapshots, newest first, that the change log's window needs.
func (v *Vault) windowNeeds(ctx context.Context, table string, snaps []Snapshot, now time.Time, window time.Duration) (map[string]bool, error) {
	needed := anchors(snaps, now, window)
	if window <= 0 {
		return needed, nil
	}
	start := storage.VersionAt(now.Add(-window))
	keepBegins(needed, v.changes.Ranges(table), snaps, start)
	return needed, v.keepSources(ctx, needed, table, snaps, start)
}

// needsLog returns the version from which on a table needs the log: for its keep newest
// snapshots, for those that the window needs, and for what any goes on from. st is how
// far the log has it.
func needsLog(snaps []Snapshot, keep int, needed map[string]bool, st changelog.TableState, start storage.Version) storage.Version {
	if len(snaps) == 0 {
		if st.After.Commits == 0 {
			return storage.MaxVersion
		}
		return 0 // nothing but the log has it
	}
	root := storage.MaxVersion
	for _, s := range snaps {
		if s.baseCut > 0 {
			root = min(root, s.baseCut)
		}
	}
	if newest := snaps[0]; st.After.Commits > newest.Ledger.Commits {
		root = min(root, newest.Cut) // nothing but the log has its last commits
	}
	if st.Through <= start {
		return root // it was not served in all of the window: only its snapshots count
	}
	oldest := snaps[0]
	for i, s := range snaps { // newest first
		if i < keep || needed[s.Name] {
			oldest = s
		}
	}
	if oldest.Cut > start {
		return 0 // the window begins before any snapshot
	}
	return min(root, oldest.Cut)
}

// sources returns the versions that restores in reach put in the table's place: what
// they restored is needed as long as a moment after them is restored by way of them. A
// restore may have been made of a moment that goes by way of another one.
func (v *Vault) sources(ctx context.Context, table string, snaps []Snapshot, start storage.Version) (from []storage.Version, err error) {
	restores, err := v.changes.Restores(ctx, table)
	if err != nil {
		return nil, err
	}
	seen := map[storage.Version]bool{}
	var follow func(above, upTo storage.Version)
	follow = func(above, upTo storage.Version) {
		for _, r := range restores {
			if r.At <= above || r.At > upTo || seen[r.At] {
				continue
			}
			if seen[r.At] = true; r.From > 0 {
				from = append(from, r.From)
				follow(cutBelow(snaps, r.From), r.From)
			}
		}
	}
	follow(cutBelow(snaps, start), storage.MaxVersion)
	return from, nil
}

// cutBelow returns the cut of the newest snapshot that is not above the version, 0 where
// there is none. snaps are newest first.
func cutBelow(snaps []Snapshot, v storage.Version) storage.Version {
	for _, s := range snaps {
		if s.Cut <= v {
			return s.Cut
		}
	}
	return 0
}

// sourcesNeed returns the version from which on restores in reach need the log.
func (v *Vault) sourcesNeed(ctx context.Context, table string, snaps []Snapshot, start storage.Version) (storage.Version, error) {
	need := storage.MaxVersion
	all, err := v.sources(ctx, table, snaps, start)
	for _, from := range all {
		i := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.Cut <= from })
		if i < 0 {
			return 0, nil
		}
		need = min(need, snaps[i].Cut)
		if snaps[i].baseCut > 0 {
			need = min(need, snaps[i].baseCut)
		}
	}
	return need, err
}

// keepSources adds to stay the snapshots that restores in reach began from.
func (v *Vault) keepSources(ctx context.Context, stay map[string]bool, table string, snaps []Snapshot, start storage.Version) error {
	all, err := v.sources(ctx, table, snaps, start)
	for _, from := range all {
		if i := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.Cut <= from }); i >= 0 {
			stay[snaps[i].Name] = true
		}
	}
	return err
}
