package changelog

import (
	"context"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
)

// resolve makes the chain. Of a merged segment and those that it covers it takes the
// merged one, once that was read from end to end: the others may be the better ones.
func (l *Log) resolve(f *found, segments []Segment) error {
	slices.SortFunc(segments, func(a, b Segment) int { return a.span().order(b.span()) })
	for i := 0; i < len(segments); {
		s := segments[i]
		n := i + 1
		for n < len(segments) && s.span().covers(segments[n].span()) {
			n++
		}
		covered := segments[i+1 : n]
		err := l.mayStand(f, s, covered)
		if isMissing(err) {
			return err
		}
		if i++; err != nil {
			f.problems = append(f.problems, problemOf(s.Name, err))
			continue
		}
		for _, c := range covered {
			f.covered = append(f.covered, c.Name)
		}
		f.link(s)
		i = n
	}
	return nil
}

// mayStand says whether the segment follows what is in the chain and, where it covers
// others, is good enough to stand for them: it reads well and has all their commits.
// As those of each were counted without a hole, the counts tell.
func (l *Log) mayStand(f *found, s Segment, covered []Segment) error {
	if end := through(f.chain); s.From < end {
		return fmt.Errorf("overlaps the segment before, which ends at version %d", end)
	}
	for _, c := range covered {
		for _, t := range c.Tables {
			m, ok := s.Table(t.Table)
			if !ok || m.Through < t.Through || m.Before.Commits > t.Before.Commits || m.After.Commits < t.After.Commits {
				return fmt.Errorf("covers %s and has not all its commits of table %s", c.Name, t.Table)
			}
		}
	}
	if len(covered) == 0 {
		return nil
	}
	_, err := l.readAll(context.Background(), s.Name, s.span(), nil, func(*Head, int, storage.Commit) error { return nil })
	return err
}

// link adds the next segment to the chain and notes what is missing before it.
func (f *found) link(s Segment) {
	end := through(f.chain)
	hole := len(f.chain) > 0 && s.From > end
	if hole {
		f.problems = append(f.problems, Problem{File: span{end, s.From}.String(), Problem: fmt.Sprintf(
			"is missing, or segments that go as far: segment %s does not follow the one before it, which ends at version %d", s.Name, end)})
	}
	for _, t := range s.Tables {
		if problem := follows(f.last, t); problem != "" && !hole { // else the hole says it
			f.problems = append(f.problems, Problem{Table: t.Table, File: s.Name, Problem: problem})
		}
		f.last[t.Table] = t
	}
	f.chain = append(f.chain, s)
}

// follows says in words how a table's state does not follow the one before.
func follows(last map[string]TableState, s TableState) string {
	old, known := last[s.Table]
	switch {
	case !known:
		return ""
	case s.Through < old.Through:
		return fmt.Sprintf("complete through version %d only, but was through %d", s.Through, old.Through)
	case !s.Break && !same(old.After, s.Before):
		return fmt.Sprintf("begins with commit %d of version %d, but the log has commit %d of version %d before, and no break is marked",
			s.Before.Commits, s.Before.Version, old.After.Commits, old.After.Version)
	}
	return ""
}

func (s Segment) span() span { return span{s.From, s.To} }
