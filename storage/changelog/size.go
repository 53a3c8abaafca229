package changelog

import "github.com/brockdb/brock/storage"

// Size returns the bytes of the segments that a replay of the table from cut to upTo
// reads.
func (l *Log) Size(table string, cut, upTo storage.Version) (bytes int64) {
	for _, s := range l.Segments() {
		st, ok := s.Table(table)
		if s.To <= cut || !ok {
			continue
		}
		if st.Commits > 0 {
			bytes += s.Bytes
		}
		if st.Through >= upTo {
			break
		}
	}
	return bytes
}
