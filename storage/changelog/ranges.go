package changelog

import "github.com/brockdb/brock/storage"

// Restores returns, for each segment that has restores of the table, the lowest
// version that was restored (0: it became empty) and the version of the last restore.
func (l *Log) Restores(table string) (found []Restores) {
	for _, s := range l.Segments() {
		if t, ok := s.Table(table); ok && t.Restored > 0 {
			found = append(found, Restores{From: t.Restored - 1, At: t.RestoredAt})
		}
	}
	return found
}

// Restores are the restores of a table in one segment.
type Restores struct{ From, At storage.Version }

// Ranges returns the stretches of versions for which all of the table's commits are
// in the log, oldest first, as the heads of the segments tell. Breaks, and missing
// segments that held commits of the table, split them. A snapshot with a cut in a
// range, its end included, can be brought to each later version of that range.
func (l *Log) Ranges(table string) []Range {
	var ranges []Range
	var last storage.Ledger
	for _, s := range l.Segments() {
		t, ok := s.Table(table)
		if !ok {
			continue
		}
		if n := len(ranges); n > 0 && same(last, t.Before) {
			ranges[n-1].To = t.Through
		} else {
			r := Range{From: t.Before.Version, To: t.Through}
			if n > 0 { // a table that began anew has a Before of version 0
				r.From = max(r.From, ranges[n-1].To)
			}
			ranges = append(ranges, r)
		}
		last = t.After
	}
	return ranges
}
