package vault

import (
	"context"
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

// TrimLog removes the segments of the change log that no restore needs any more:
// those before the oldest snapshot of each table, once that lies below the window's
// start. It returns their names.
func (v *Vault) TrimLog(ctx context.Context, window time.Duration) (removed []string, err error) {
	leave, err := v.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	v.retaining.Lock()
	defer v.retaining.Unlock()
	start := storage.VersionAt(v.now().Add(-window))
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
		before = min(before, needsLog(snaps, st, start))
	}
	if before == 0 {
		return nil, nil
	}
	return v.changes.Remove(ctx, before)
}

// needsLog returns the version from which on a table needs the log; st is how far
// the log has it.
func needsLog(snaps []Snapshot, st changelog.TableState, start storage.Version) storage.Version {
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
	if st.Through <= start {
		return root // it was not served in all of the window: only its snapshots count
	}
	oldest := snaps[len(snaps)-1] // newest first
	if oldest.Cut > start {
		return 0 // the window begins before any snapshot
	}
	return min(root, oldest.Cut)
}
