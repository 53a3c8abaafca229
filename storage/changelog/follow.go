package changelog

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/brockdb/brock/storage"
)

// Follow yields the table's commits with versions above after, up to and with upTo, to
// somebody who has all before and knows of them no more than that version. through is
// how far the commits bring him, and where he goes on from the next time: as far as
// the log goes without a gap, and never below after. They come as [Log.Replay] yields
// them.
//
// Where the log does not go on from after, because commits were never shipped or are
// no longer kept, the error is a [storage.GapError] that says from when on it can be
// followed.
func (l *Log) Follow(ctx context.Context, table string, after, upTo storage.Version) (through storage.Version, commits iter.Seq2[storage.Commit, error], err error) {
	none := func(func(storage.Commit, error) bool) {}
	if after >= upTo {
		return after, none, nil
	}
	s, err := l.stretch(table, after)
	if err != nil || s.to <= after {
		return after, none, err
	}
	through = min(s.to, upTo)
	return through, func(yield func(storage.Commit, error) bool) {
		for c, err := range l.Replay(ctx, table, s.before, s.cut, through) {
			if err == nil && c.Ledger.Version <= after {
				continue // what stands before it in its segment
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}, nil
}

// stretch is where to replay from, and how far.
type stretch struct {
	before  storage.Ledger // the account at cut
	cut, to storage.Version
}

// stretch finds the segments that go on from after.
func (l *Log) stretch(table string, after storage.Version) (s stretch, err error) {
	var last TableState
	found := false
	for _, seg := range l.Segments() {
		t, ok := seg.Table(table)
		if !ok {
			continue
		}
		goesOn := same(last.After, t.Before) && last.Table != ""
		switch {
		case found && !goesOn:
			return s, nil // there is a gap, but behind it
		case found:
		case t.Through <= after:
		case goesOn, t.Before.Version <= after && (last.Table == "" || last.Through < after):
			s.before, s.cut, found = t.Before, max(t.Before.Version, last.Through), true
		case t.Before.Version > last.Through:
			return s, gapUntil(table, after, t.Before.Version)
		default: // the table began anew
			return s, gapUntil(table, after, last.Through+1)
		}
		last, s.to = t, t.Through
	}
	if !found {
		s.to = after
	}
	return s, nil
}

func gapUntil(table string, after, until storage.Version) error {
	return &storage.GapError{Table: table, After: after, Until: until,
		Problem: fmt.Sprintf("the change log does not have what was committed there; follow it from version %d on, which is %s",
			until, until.Time().UTC().Format(time.RFC3339Nano))}
}
