package changelog

import (
	"time"

	"github.com/brockdb/brock/storage"
)

// Status is how far the log is.
type Status struct {
	Through storage.Version // every serving table is complete through it
	Waiting int64           // bytes that are not shipped
	Since   time.Time       // nothing of that was committed before; zero: nothing waits
	At      time.Time       // of the newest success; zero: none yet
	Err     error           // of the newest attempt
}

// Status returns how far the log is.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	st := Status{Waiting: s.owed.Load(), At: s.at, Err: s.last}
	s.mu.Unlock()
	if st.Waiting > 0 {
		st.Since = time.Unix(0, s.since.Load())
	}
	for i, t := range s.all() {
		t.mu.Lock()
		if t.store != nil && (i == 0 || t.through < st.Through || st.Through == 0) {
			st.Through = t.through
		}
		t.mu.Unlock()
	}
	return st
}
