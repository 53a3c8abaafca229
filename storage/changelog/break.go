package changelog

import (
	"errors"
	"fmt"
)

// overdue lets go of what the stores keep for the log when it is too much.
func (s *Shipper) overdue(cause error) {
	if s.owed.Load() < s.cfg.Cap {
		return
	}
	var names []string
	taps := s.all()
	for _, t := range taps {
		if t.waits() {
			names = append(names, t.table)
		}
	}
	why := fmt.Errorf("the change log could not be written for too long: %w", cause)
	if s.cfg.Broke != nil {
		if err := s.cfg.Broke(names, why); err != nil {
			s.log.Error("the break of the change log cannot be recorded; the stores keep their history", "err", errors.Join(why, err))
			return
		}
	}
	for _, t := range taps {
		t.letGo(why)
	}
	s.owed.Store(0)
}

// letGo lets the store discard what the log has not got.
func (t *Tap) letGo(why error) {
	if !t.waits() {
		return
	}
	t.s.held.Add(-t.drop())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = why
	if t.store != nil {
		t.store.Discard(t.store.Ledger().Version)
	}
}

// Shipped returns a channel that is closed when the log has grown the next time. Take
// it before looking at the log, and nothing is missed.
func (s *Shipper) Shipped() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}
