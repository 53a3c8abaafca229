package model

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
)

type rec struct {
	value   string
	version app.Version // 0: its batch was not acknowledged
	expires time.Time
}

type state map[string]rec

// epoch is a state of a table, which a commit above lo and not above hi left.
type epoch struct {
	lo, hi app.Version
	state  state
}

// history is a table at every version: what the epochs say, empty before them.
type history struct {
	epochs []epoch
	top    app.Version // no version that is known is above it
}

func (h *history) now() state {
	if n := len(h.epochs); n > 0 {
		return h.epochs[n-1].state
	}
	return state{}
}

// add says that the table became s at the version, or, where that is 0, at one above
// all that is known.
func (h *history) add(s state, at app.Version) {
	e := epoch{at - 1, at, s}
	if at == 0 {
		e.lo, e.hi = h.top, storage.MaxVersion
	}
	for i := range h.epochs { // those that were open lie below
		if at > 0 && h.epochs[i].hi == storage.MaxVersion {
			h.epochs[i].hi = at - 1
		}
	}
	h.epochs = append(h.epochs, e)
	h.top = max(h.top, at)
}

// at returns what the table may have been at the version: one state, but around
// commits whose version was never told.
func (h *history) at(v app.Version) []state {
	may := []state{{}}
	for _, e := range h.epochs {
		if e.hi <= v {
			may = may[:0]
		}
		if e.lo < v {
			may = append(may, e.state)
		}
	}
	return may
}

// forget drops what came after the version: the vault has not got it, and a new hub
// goes on from there.
func (h *history) forget(v app.Version) {
	h.epochs = slices.DeleteFunc(h.epochs, func(e epoch) bool { return e.lo >= v })
	h.top = v
}

// versions returns those at which the table is known to have changed.
func (h *history) versions() (vs []app.Version) {
	for _, e := range h.epochs {
		if e.lo+1 == e.hi {
			vs = append(vs, e.hi)
		}
	}
	return vs
}

func (s state) with(b app.Batch, v app.Version) state {
	s = maps.Clone(s)
	for _, op := range b {
		if delete(s, string(op.Key)); !op.Delete {
			s[string(op.Key)] = rec{string(op.Value), v, op.ExpiresAt}
		}
	}
	return s
}

// differs says how the records found are not the state, "" where they are. What
// expires from early to late may be there or not.
func (s state) differs(found map[string]app.Record, early, late time.Time) string {
	for key, r := range found {
		want, ok := s[key]
		switch {
		case !ok:
			return fmt.Sprintf("key %q of version %d must not be there", key, r.Version)
		case string(r.Value) != want.value || !r.ExpiresAt.Equal(want.expires):
			return fmt.Sprintf("key %q has other contents: %d bytes of version %d, not %d of %d", key, len(r.Value), r.Version, len(want.value), want.version)
		case want.version > 0 && r.Version != want.version:
			return fmt.Sprintf("key %q has version %d, not %d", key, r.Version, want.version)
		case want.due(early):
			return fmt.Sprintf("key %q is there, though it expired at %v", key, want.expires)
		}
	}
	for key, want := range s {
		if _, ok := found[key]; !ok && !want.due(late) {
			return fmt.Sprintf("key %q of version %d is not there", key, want.version)
		}
	}
	return ""
}

func (r rec) due(at time.Time) bool { return !r.expires.IsZero() && !at.Before(r.expires) }

// differs compares with all that it may be.
func differs(may []state, found map[string]app.Record, early, late time.Time) (problem string) {
	for _, s := range may {
		if problem = s.differs(found, early, late); problem == "" {
			return ""
		}
	}
	return problem
}
