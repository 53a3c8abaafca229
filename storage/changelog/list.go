package changelog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

var errNotExist = fs.ErrNotExist

// found is what a folder holds.
type found struct {
	chain    []Segment
	covered  []string // sound segments whose place a sound merged one took
	problems []Problem
	last     map[string]TableState // of each table, the newest in the chain
}

// list reads the folder. Beside a live owner segments may vanish meanwhile, because
// they were merged or removed: then it looks again.
func (l *Log) list() (f found, err error) {
	for range 20 {
		if f, err = l.listOnce(); !isMissing(err) {
			return f, err
		}
	}
	return f, err
}

func (l *Log) listOnce() (f found, err error) {
	f.last = map[string]TableState{}
	entries, err := l.fs.ReadDir(l.dir)
	if isMissing(err) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	var segments []Segment
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, disk.TempPrefix) {
			continue
		}
		want, ok := parseSpan(name)
		if !ok {
			f.problems = append(f.problems, Problem{File: name, Problem: "is no file of a change log"})
			continue
		}
		s, err := l.readSegment(name, want)
		switch {
		case err == nil:
			segments = append(segments, s)
		case isMissing(err) || errors.Is(err, ErrNewer) && !l.readOnly:
			return f, err
		default:
			f.problems = append(f.problems, problemOf(name, err))
		}
	}
	err = l.resolve(&f, segments)
	return f, err
}

// readSegment reads a segment's head.
func (l *Log) readSegment(name string, want span) (s Segment, err error) {
	err = l.open(context.Background(), name, want, func(r *reader) error {
		s = Segment{Head: r.head, Name: name, Bytes: r.size}
		return nil
	})
	return s, err
}

// open opens a segment and reads its head. A missing one gives an error that matches
// [fs.ErrNotExist].
func (l *Log) open(ctx context.Context, name string, want span, do func(r *reader) error) (err error) {
	f, err := l.fs.Open(l.path(name))
	if isMissing(err) {
		return err
	}
	unreadable := func(err error) error {
		return &storage.DamageError{File: l.path(name), Problem: "cannot be read", Err: err}
	}
	if err != nil {
		return unreadable(err)
	}
	defer func() {
		if e := f.Close(); e != nil && err == nil {
			err = unreadable(e)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return &storage.DamageError{File: l.path(name), Problem: "is no file"}
	}
	r := newReader(ctx, f, info.Size(), l.path(name), want)
	if err := r.readHead(); err != nil {
		return err
	}
	if l.vault != "" && r.head.Vault != l.vault {
		return r.damage(0, "", nil, "belongs to vault %s, this is %s", r.head.Vault, l.vault)
	}
	return do(r)
}

// readAll reads every byte of a segment.
func (l *Log) readAll(ctx context.Context, name string, want span, last func(string) (TableState, bool), yield func(*Head, int, storage.Commit) error) (n int64, err error) {
	err = l.open(ctx, name, want, func(r *reader) error {
		err := r.frames(-1, newAccount(&r.head, last), func(i int, c storage.Commit) error { return yield(&r.head, i, c) })
		n = r.off
		return err
	})
	return n, err
}

// resolve makes the chain. Of a merged segment and those that it covers it takes the
// merged one, once that was read from end to end: the others may be the better ones.
func (l *Log) resolve(f *found, segments []Segment) error {
	slices.SortFunc(segments, func(a, b Segment) int { return a.span().order(b.span()) })
	for i := 0; i < len(segments); {
		s := segments[i]
		n := 1
		for i+n < len(segments) && s.span().covers(segments[i+n].span()) {
			n++
		}
		if n > 1 {
			_, err := l.readAll(context.Background(), s.Name, s.span(), nil, func(*Head, int, storage.Commit) error { return nil })
			if isMissing(err) {
				return err
			}
			if err != nil {
				f.problems = append(f.problems, problemOf(s.Name, err))
				segments = slices.Delete(segments, i, i+1)
				continue
			}
			for _, c := range segments[i+1 : i+n] {
				f.covered = append(f.covered, c.Name)
			}
		}
		f.link(s)
		i += n
	}
	return nil
}

// link adds the next segment to the chain and notes where it does not fit.
func (f *found) link(s Segment) {
	note := func(table, format string, args ...any) {
		f.problems = append(f.problems, Problem{Table: table, File: s.Name, Problem: fmt.Sprintf(format, args...)})
	}
	end := through(f.chain)
	switch {
	case len(f.chain) > 0 && s.From > end:
		note("", "does not follow the segment before: the versions from %d to %d are missing", end, s.From)
	case len(f.chain) > 0 && s.From < end:
		note("", "overlaps the segment before, which ends at version %d", end)
		return
	}
	for _, t := range s.Tables {
		if problem := follows(f.last, t); problem != "" && s.From == end { // else the hole says it
			note(t.Table, "%s", problem)
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
