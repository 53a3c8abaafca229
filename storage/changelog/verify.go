package changelog

import (
	"context"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
)

// Verify lists the folder anew, reads every byte of every segment, and compares:
// frames and files with their checksums, each commit with its ledger, each table's
// commits with the states in the heads, and the segments with each other. It returns
// how many segments and bytes it read. It writes nothing, and what a live owner
// appends, merges or removes meanwhile is no problem. When ctx ends, so does it.
//
// reached is a version that the log is known to have ended at once, 0 where none is.
// Only so, or where the log is open as it is written, the newest segments can be missed.
func (l *Log) Verify(ctx context.Context, reached storage.Version) (checked int, bytes int64, problems []Problem) {
	end := max(l.Through(), reached)
	var done storage.Version // all segments up to there were read
	for {
		f, err := l.list(end)
		if err != nil {
			return checked, bytes, append(problems, Problem{Problem: err.Error()})
		}
		v := &verifier{l: l, ctx: ctx, done: done, last: map[string]TableState{}}
		again := v.chain(f.chain)
		done, checked, bytes, problems = v.done, checked+v.checked, bytes+v.bytes, append(problems, v.problems...)
		if again && ctx.Err() == nil {
			continue
		}
		if got := through(f.chain); got < end && !slices.ContainsFunc(f.problems, func(p Problem) bool { s, _ := parseSpan(p.File); return s.to == end }) {
			problems = append(problems, Problem{File: span{got, end}.String(), Problem: fmt.Sprintf("the newest segments are missing: the log went on to version %d and ends at %d", end, got)})
		}
		return checked, bytes, append(f.problems, problems...)
	}
}

type verifier struct {
	l        *Log
	ctx      context.Context
	done     storage.Version
	last     map[string]TableState
	checked  int
	bytes    int64
	problems []Problem
}

// chain reads the segments that end above done. It returns true where one has
// vanished meanwhile.
func (v *verifier) chain(chain []Segment) (again bool) {
	for _, s := range chain {
		if s.To > v.done {
			n, err := v.l.readAll(v.ctx, s.Name, s.span(), v.state, func(*Head, int, storage.Commit) error { return nil })
			if isMissing(err) {
				return true
			}
			if v.ctx.Err() != nil {
				return false
			}
			v.checked, v.bytes, v.done = v.checked+1, v.bytes+n, s.To
			if err != nil {
				v.problems = append(v.problems, problemOf(s.Name, err))
			}
		}
		for _, t := range s.Tables {
			v.last[t.Table] = t
		}
	}
	return false
}

func (v *verifier) state(table string) (TableState, bool) {
	s, ok := v.last[table]
	return s, ok
}
