package changelog

import (
	"fmt"

	"github.com/brockdb/brock/storage"
)

// account follows the tables of one segment through their commits, for its writer
// as for its reader: both accept the same segments.
type account struct {
	head     *Head
	run      []storage.Ledger // of each table so far
	floor    []storage.Version
	restores []TableState // the restores so far
}

// newAccount begins at the states before the segment. last, when given, is what the
// log knows of a table from the segments before: no commit up to its Through may follow.
func newAccount(h *Head, last func(table string) (TableState, bool)) *account {
	a := &account{head: h, run: make([]storage.Ledger, len(h.Tables)), floor: make([]storage.Version, len(h.Tables)), restores: make([]TableState, len(h.Tables))}
	for i, s := range h.Tables {
		a.run[i] = s.Before
		if last != nil {
			old, _ := last(s.Table)
			a.floor[i] = old.Through
		}
	}
	return a
}

// add checks the next commit of the i-th table. skipped frames do not matter: they
// hold none of the tables that are followed.
func (a *account) add(i int, c *storage.Commit) (problem string) {
	s, last, l := &a.head.Tables[i], &a.run[i], &c.Ledger
	switch {
	case l.Commits != last.Commits+1:
		return fmt.Sprintf("commit %d of version %d follows commit %d of version %d", l.Commits, l.Version, last.Commits, last.Version)
	case l.Version <= last.Version || l.Version <= a.floor[i] || l.Version > s.Through:
		return fmt.Sprintf("commit of version %d after version %d, where the table was complete through %d before the segment and is through %d after it",
			l.Version, last.Version, a.floor[i], s.Through)
	case c.Restored != nil && (len(c.Changes) > 0 || *c.Restored >= l.Version):
		return fmt.Sprintf("restore of version %d at version %d, with %d changes", *c.Restored, l.Version, len(c.Changes))
	}
	*last = *l
	if c.Restored != nil {
		a.restores[i].noteRestores(*c.Restored+1, l.Version)
	}
	return l.Misses(c.Changes)
}

// finish checks that all commits of the i-th table were added.
func (a *account) finish(i int) (problem string) {
	if s := &a.head.Tables[i]; !same(a.run[i], s.After) {
		return fmt.Sprintf("ends with commit %d of version %d, but should with commit %d of version %d: %s",
			a.run[i].Commits, a.run[i].Version, s.After.Commits, s.After.Version, s.After.Differs(a.run[i]))
	}
	if s, r := &a.head.Tables[i], &a.restores[i]; s.Restored != r.Restored || s.RestoredAt != r.RestoredAt {
		return "has other restores than its header says"
	}
	return ""
}

// noteRestores counts restores in.
func (s *TableState) noteRestores(restored, at storage.Version) {
	if restored > 0 && (s.Restored == 0 || restored < s.Restored) {
		s.Restored = restored
	}
	s.RestoredAt = max(s.RestoredAt, at)
}
