package changelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// noteAll enters the restores among the commits into the head.
func noteAll(head Head, commits []Commit) {
	for _, c := range commits {
		if i, ok := head.find(c.Table); ok && c.Restored != nil {
			head.Tables[i].noteRestores(*c.Restored+1, c.Ledger.Version)
		}
	}
}

// Append writes the commits as the next segment; it is checked, complete and durable
// on return. head.From must be [Log.Through]; its ids may be left out, its tables are
// sorted. The commits are sorted, too: by table, so that a reader of one can skip those of
// the others, then by version.
//
// It refuses with a [storage.GapError] where a table's Before is not its last After,
// unless the state is marked as a Break, and with a [storage.DamageError] where a
// commit is not what its ledger says. Then, and when ctx ends or a write fails,
// nothing is left of it.
func (l *Log) Append(ctx context.Context, head Head, commits []Commit) (Segment, error) {
	if err := l.mayWrite(); err != nil {
		return Segment{}, err
	}
	l.appending.Lock()
	defer l.appending.Unlock()
	head.Vault, head.HubID = cmp.Or(head.Vault, l.vault), cmp.Or(head.HubID, l.hub)
	head.Tables = slices.Clone(head.Tables)
	slices.SortFunc(head.Tables, func(a, b TableState) int { return cmp.Compare(a.Table, b.Table) })
	noteAll(head, commits)
	last, err := l.mayAppend(&head)
	if err != nil {
		return Segment{}, err
	}
	commits = slices.Clone(commits)
	slices.SortStableFunc(commits, func(a, b Commit) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Ledger.Version, b.Ledger.Version))
	})
	s := Segment{Head: head, Name: span{head.From, head.To}.String()}
	if err = l.ready(); err == nil && !l.made { // once only: it syncs the folder above
		err = l.fs.MkdirAll(l.dir)
	}
	if err != nil {
		return Segment{}, fmt.Errorf("append to the change log: %w", err)
	}
	s.Bytes, err = l.build(ctx, s.Name, &s.Head, l.codec, last, func(w *writer) error { return addAll(w, commits) })
	if err == nil {
		err = l.commit(s.Name)
	}
	if l.made = err == nil; err != nil {
		return Segment{}, fmt.Errorf("append to the change log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain = append(slices.Clone(l.chain), s)
	for _, t := range s.Tables {
		l.last[t.Table] = t
	}
	return s, nil
}

// mayAppend compares the head with the log's end and returns the states there.
func (l *Log) mayAppend(h *Head) (last func(string) (TableState, bool), err error) {
	l.mu.Lock()
	states, end := maps.Clone(l.last), through(l.chain)
	l.mu.Unlock()
	if err := check(h.Vault == l.vault && h.HubID == l.hub, "it is vault %.80q's and hub %.80q's, the log is %s's and %s's", h.Vault, h.HubID, l.vault, l.hub); err != nil {
		return nil, err
	}
	if err := check(h.From == end, "it begins at version %d, the log ends at %d", h.From, end); err != nil {
		return nil, err
	}
	for _, s := range h.Tables {
		old := states[s.Table]
		switch problem := follows(states, s); {
		case problem == "":
		case s.Through < old.Through:
			return nil, check(false, "table %s: %s", s.Table, problem)
		default:
			return nil, &storage.GapError{Table: s.Table, After: old.After.Version, Until: s.Before.Version, Problem: problem}
		}
	}
	return func(table string) (TableState, bool) { s, ok := states[table]; return s, ok }, nil
}

func addAll(w *writer, commits []Commit) error {
	for i := range commits {
		table, ok := w.acc.head.find(commits[i].Table)
		if err := check(ok, "a commit of table %.80q, which the head does not name", commits[i].Table); err != nil {
			return err
		}
		if err := w.add(table, &commits[i].Commit); err != nil {
			return err
		}
	}
	return nil
}

// build writes a segment under its temporary name, synced. On an error nothing is left.
func (l *Log) build(ctx context.Context, name string, h *Head, codec Codec, last func(string) (TableState, bool), fill func(*writer) error) (size int64, err error) {
	tmp := l.path(disk.TempPrefix + name)
	if err := l.fs.Remove(tmp); err != nil && !isMissing(err) {
		return 0, err
	}
	f, err := l.fs.Create(tmp)
	if err != nil {
		return 0, err
	}
	w, err := newWriter(ctx, f, tmp, h, codec, last)
	if err == nil {
		if err = fill(w); err == nil {
			err = w.finish()
		}
		size = w.size
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, l.fs.Remove(tmp))
	}
	return size, nil
}

// commit gives a finished segment its name. When that cannot be made durable it is
// taken back; should even that fail, the segment stays a stray, and nothing more is
// written before it is gone.
func (l *Log) commit(name string) error {
	tmp := l.path(disk.TempPrefix + name)
	if err := l.fs.Rename(tmp, l.path(name)); err != nil {
		return errors.Join(err, l.fs.Remove(tmp))
	}
	err := l.fs.SyncDir(l.dir)
	if err == nil {
		return nil
	}
	if e := l.fs.Rename(l.path(name), tmp); e != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.strays = append(l.strays, name)
		return errors.Join(err, e)
	}
	return errors.Join(err, l.fs.Remove(tmp))
}

// ready removes the strays.
func (l *Log) ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.strays) > 0 {
		if err := l.fs.Remove(l.path(l.strays[0])); err != nil && !isMissing(err) {
			return err
		}
		l.strays = l.strays[1:]
	}
	return nil
}
