package storage

import (
	"math"

	"github.com/brockdb/brock/storage/disk"
)

// Stats are figures of a store for health and compaction.
type Stats struct {
	Records       uint64  // live, what is due left out
	FileBytes     int64   // that the store occupies on the disk
	ApparentBytes int64   // the length of its files; they are sparse
	LiveBytes     uint64  // of keys and values of live records
	DeadBytes     uint64  // that overwritten and deleted records still occupy
	Fragmentation float64 // dead bytes over all bytes, 0 to 1, 3 decimals
}

// Stats reads the figures; the cost does not grow with the number of records.
//
// The ledger counts dead bytes as they arise; what Badger's own compactions have
// dropped since it cannot know, so no more is reported than there is room for in
// the files beside what lives.
func (s *Store) Stats() (Stats, error) {
	l, err := s.Lease()
	if err != nil {
		return Stats{}, err
	}
	defer l.Release()
	st := Stats{LiveBytes: l.Ledger.Bytes}
	if st.Records, err = l.Count(); err != nil {
		return st, err
	}
	if st.FileBytes, st.ApparentBytes, err = disk.Usage(s.dir); err != nil {
		return st, err
	}
	if room := uint64(st.FileBytes); room > st.LiveBytes {
		st.DeadBytes = min(l.Ledger.Dead, room-st.LiveBytes)
	}
	if all := st.LiveBytes + st.DeadBytes; all > 0 {
		st.Fragmentation = math.Round(float64(st.DeadBytes)/float64(all)*1000) / 1000
	}
	return st, nil
}

// Discard lets Badger drop, when it next compacts, what nobody can see at or
// above v: records overwritten or deleted before. It never takes anything from an
// open lease, and never moves back.
func (s *Store) Discard(v Version) {
	if !s.readers.enter() {
		return
	}
	defer s.readers.leave()
	s.readers.raise(min(v, s.head.Load().Version), s.db.SetDiscardTs)
}
