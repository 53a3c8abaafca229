package changelog

import "github.com/brockdb/brock/storage"

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
			if n > 0 { // a table that began anew has a Before of version 0, and began in this segment
				r.From = max(r.From, ranges[n-1].To)
				if t.Before.Version == 0 {
					r.From = max(r.From, s.From)
				}
			}
			ranges = append(ranges, r)
		}
		last = t.After
	}
	return ranges
}
