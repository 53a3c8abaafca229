package changelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
)

// Ship brings all that is committed by now into the log, in as many segments as it
// takes, and returns the version that every serving table is complete through. It is
// durable on return.
func (s *Shipper) Ship(ctx context.Context) (storage.Version, error) {
	select {
	case s.shipping <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("the change log is being written, and does not finish: %w", ctx.Err())
	}
	defer func() { <-s.shipping }()
	owed, began := s.owed.Load(), s.cfg.Wall.Now()
	var through storage.Version
	var err error
	for more := true; more && err == nil; {
		through, more, err = s.ship(ctx)
	}
	if err == nil {
		if s.owed.Add(-owed) > 0 {
			s.since.Store(began.UnixNano()) // what waits came meanwhile
		}
		wake(s.grown)
		if s.eased(cannotWrite, "") {
			s.log.Info("the change log is written again")
		}
	} else {
		s.overdue(err)
	}
	s.mu.Lock()
	if s.last = err; err == nil {
		s.at = s.cfg.Wall.Now()
		close(s.next)
		s.next = make(chan struct{})
	}
	s.mu.Unlock()
	return through, err
}

// ship writes one segment; more says that a table has more than went into it.
func (s *Shipper) ship(ctx context.Context) (through storage.Version, more bool, err error) {
	now, err := s.cfg.Clock.Next(storage.MaxVersion) // whatever comes later is above it
	if err != nil {
		return 0, false, err
	}
	room := int64(refillBytes)
	var commits []Commit
	var states []TableState
	var breaks []string
	taps := s.all()
	for _, t := range taps {
		st, cs, rest := t.collect(ctx, now, &room)
		more = more || rest
		for _, c := range cs {
			commits = append(commits, Commit{Table: t.table, Commit: c})
		}
		if states = append(states, st); st.Break {
			breaks = append(breaks, t.table)
		}
	}
	to, err := s.cfg.Clock.Next(storage.MaxVersion)
	if err != nil {
		return 0, false, err
	}
	head := Head{From: s.cfg.Log.Through(), To: to, Tables: states}
	if _, err := s.cfg.Log.Append(ctx, head, commits); err != nil {
		s.blame(taps, err)
		return 0, false, err
	}
	through = now
	for i, t := range taps {
		s.held.Add(-t.settle(states[i]))
		if t.serves() {
			through = min(through, states[i].Through)
		}
	}
	for _, table := range breaks {
		s.eased(hasBreak, table)
	}
	if len(breaks) > 0 && s.cfg.Resumed != nil {
		s.cfg.Resumed(breaks)
	}
	return through, more, nil
}

// blame breaks off the table whose commits the log refused: the others shall not wait.
func (s *Shipper) blame(taps []*Tap, err error) {
	table := ""
	var damage *storage.DamageError
	var gap *storage.GapError
	if errors.As(err, &damage) {
		table = damage.Table
	} else if errors.As(err, &gap) {
		table = gap.Table
	}
	for _, t := range taps {
		if t.table == table {
			t.mu.Lock()
			t.broken = err
			t.mu.Unlock()
		}
	}
}

func (t *Tap) serves() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.store != nil
}

// all returns the taps by name.
func (s *Shipper) all() []*Tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taps []*Tap
	for _, t := range s.taps {
		taps = append(taps, t)
	}
	slices.SortFunc(taps, func(a, b *Tap) int { return cmp.Compare(a.table, b.table) })
	return taps
}
