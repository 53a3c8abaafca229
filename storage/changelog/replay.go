package changelog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/brockdb/brock/storage"
)

// Replay yields the table's commits with versions above cut, up to and with upTo,
// oldest first; from is the table's ledger at cut, as a snapshot says. The commits
// are checked, whole and without a hole, and are the consumer's to keep.
//
// Where commits are missing the error is a [storage.GapError], also when no later
// commit shows it; where they are missing because segments are, it is a
// [storage.DamageError] as well; where the table is not complete through upTo, a
// [BehindError]. What the heads of the segments tell is said before the first commit.
func (l *Log) Replay(ctx context.Context, table string, from storage.Ledger, cut, upTo storage.Version) iter.Seq2[storage.Commit, error] {
	return func(yield func(storage.Commit, error) bool) {
		defer l.Hold(cut)()
		r := &replay{l: l, ctx: ctx, table: table, run: from, cut: cut, upTo: upTo}
		err := r.all(func(c storage.Commit) error {
			if !yield(c, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(storage.Commit{}, err)
		}
	}
}

// replay is a reading of one table's commits: where it has got to does not depend on
// which segments there are.
type replay struct {
	l     *Log
	ctx   context.Context
	table string
	run   storage.Ledger // the table's at cut
	cut   storage.Version
	upTo  storage.Version
	next  string // the segment that is read
}

func (r *replay) all(yield func(storage.Commit) error) error {
	if r.run.Version > r.cut {
		return fmt.Errorf("table %s: %w: a ledger of version %d for the cut %d", r.table, storage.ErrInvalid, r.run.Version, r.cut)
	}
	for r.cut < r.upTo {
		steps, err := r.plan(r.l.Segments())
		if err != nil {
			return err
		}
		for _, s := range steps {
			if err = r.segment(s, yield); err != nil {
				break
			}
		}
		if !isMissing(err) {
			return err
		}
		if err := r.l.moved(r.table, r.next); err != nil {
			return err
		}
	}
	return nil
}

// step is a segment that matters.
type step struct {
	Segment
	TableState
}

// plan finds the segments that matter, and what their heads tell: whether each goes
// on where the one before ended.
func (r *replay) plan(chain []Segment) (steps []step, err error) {
	run, whole := r.run, true
	var known storage.Version
	for i, s := range chain {
		whole = whole && (i == 0 || chain[i-1].To == s.From)
		t, ok := s.Table(r.table)
		if !ok {
			continue
		}
		if known = max(known, t.Through); t.Through <= r.cut {
			whole = true
			continue
		}
		st := step{s, t}
		// The cut may lie within the first one: then the run turns up there, see read.
		ok = same(t.Before, run) || len(steps) == 0 && t.Before.Version < run.Version
		if !ok || t.After.Version <= r.cut && !same(t.After, run) {
			return nil, r.gap(run, st, whole)
		}
		run, whole = t.After, true
		if steps = append(steps, st); t.Through >= r.upTo {
			return steps, nil
		}
	}
	return nil, &BehindError{Table: r.table, Through: known, Wanted: r.upTo}
}

// gap is the error for a segment that does not go on from run.
func (r *replay) gap(run storage.Ledger, s step, whole bool) error {
	until := s.Before.Version
	if until <= run.Version {
		until = max(s.From, run.Version)
	}
	gap := &storage.GapError{Table: r.table, After: run.Version, Until: until, Problem: fmt.Sprintf(
		"segment %s goes on from the table's commit %d, the last one known is %d", s.Name, s.Before.Commits, run.Commits)}
	if whole {
		return gap
	}
	return &storage.DamageError{Table: r.table, File: r.l.dir, Problem: "segments before " + s.Name + " are missing or damaged", Err: gap}
}

// segment yields what the segment has of the table between cut and upTo.
func (r *replay) segment(s step, yield func(storage.Commit) error) error {
	if r.next = s.Name; s.After.Version > r.cut {
		if err := r.l.open(r.ctx, s.Name, s.span(), func(rd *reader) error { return r.read(rd, s, yield) }); err != nil {
			return err
		}
	}
	r.run, r.cut = s.After, s.Through
	return nil
}

func (r *replay) read(rd *reader, s step, yield func(storage.Commit) error) error {
	i, ok := rd.head.find(r.table)
	if !ok || rd.head.Tables[i] != s.TableState {
		return rd.damage(0, r.table, nil, "is not the segment that it was")
	}
	prev, met := s.Before, false
	return rd.frames(i, newAccount(&rd.head, nil), func(_ int, c storage.Commit) error {
		if c.Ledger.Version <= r.cut {
			prev = c.Ledger
			return nil
		}
		if met = met || same(prev, r.run); !met { // the first one after the cut
			return r.gap(r.run, step{s.Segment, TableState{Before: prev}}, true)
		}
		if c.Ledger.Version > r.upTo {
			return errStopped
		}
		if err := yield(c); err != nil {
			return err
		}
		// What comes behind in the segment may be damaged: it is not needed.
		return stopIf(c.Ledger.Version == r.upTo && r.upTo < s.After.Version)
	})
}

func stopIf(done bool) error {
	if done {
		return errStopped
	}
	return nil
}

// moved looks for what took the place of a segment that has vanished.
func (l *Log) moved(table, name string) error {
	if l.readOnly {
		if err := l.load(); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(l.Segments(), func(s Segment) bool { return s.Name == name }) {
		return &storage.DamageError{Table: table, File: l.path(name), Problem: "is missing"}
	}
	return nil
}
