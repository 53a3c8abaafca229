package changelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// MergeOptions of [Log.Merge]; the zero value works.
type MergeOptions struct {
	// Fanout is how many neighbours of one size make a merge worth its while.
	// Default 16, at least 2.
	Fanout int
	// MaxBytes bounds the sum of the sizes that are merged into one. Default 64 MiB.
	MaxBytes int64
}

// Merge does one step, if there is one to do: it turns a run of neighbouring small
// segments into one, with every commit, compressed with zstd. The merged segment is
// synced, read back and renamed before the others are removed. A run never crosses a break, a
// hole, or a change of hub. Nobody waits for a merge, neither readers nor Append.
//
// A damaged segment ends the step with its error; later steps leave it alone.
func (l *Log) Merge(ctx context.Context, o MergeOptions) (done bool, err error) {
	if err := l.mayWrite(); err != nil {
		return false, err
	}
	if o.Fanout = max(2, cmp.Or(o.Fanout, 16)); o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	l.tending.Lock()
	defer l.tending.Unlock()
	run := l.pick(o)
	if run == nil {
		return false, nil
	}
	if done, err = l.merge(ctx, run); err != nil {
		err = fmt.Errorf("merge %d segments of the change log: %w", len(run), err)
	}
	return done, err
}

func (l *Log) merge(ctx context.Context, run []Segment) (done bool, err error) {
	s := Segment{Head: mergedHead(run)}
	s.Name = s.span().String()
	if err := l.ready(); err != nil {
		return false, err
	}
	if s.Bytes, err = l.build(ctx, s.Name, &s.Head, Zstd, nil, func(w *writer) error { return l.copyRun(ctx, w, run) }); err != nil {
		return false, err
	}
	if err := l.readBack(ctx, s); err != nil {
		return false, errors.Join(err, l.fs.Remove(l.path(disk.TempPrefix+s.Name)))
	}
	if err := l.commit(s.Name); err != nil {
		return false, err
	}
	l.replace(run, s)
	names := make([]string, len(run))
	for i := range run {
		names[i] = run[i].Name
	}
	return true, l.clear(names)
}

// readBack reads the merged segment under its temporary name, from end to end.
func (l *Log) readBack(ctx context.Context, s Segment) error {
	_, err := l.readAll(ctx, disk.TempPrefix+s.Name, s.span(), nil, func(*Head, int, storage.Commit) error { return nil })
	return err
}

// copyRun writes all commits of the run, those of a table in their order.
func (l *Log) copyRun(ctx context.Context, w *writer, run []Segment) error {
	g := &grouped{w: w, tables: make([][]storage.Commit, len(w.acc.head.Tables))}
	for _, s := range run {
		to := make([]int, len(s.Tables)) // where the merged head has each table
		for i, t := range s.Tables {
			to[i], _ = w.acc.head.find(t.Table)
		}
		_, err := l.readAll(ctx, s.Name, s.span(), nil, func(h *Head, i int, c storage.Commit) error {
			if h.Tables[i] != s.Tables[i] {
				return &storage.DamageError{File: l.path(s.Name), Problem: "is not the segment that it was"}
			}
			return g.add(to[i], c)
		})
		if err != nil {
			if ctx.Err() == nil && (isMissing(err) || errors.Is(err, storage.ErrDamaged)) {
				l.bad[s.Name] = true
			}
			return err
		}
	}
	return g.flush()
}

// groupBytes is how many bytes of commits are held to be written table by table.
const groupBytes = 8 << 20

// grouped hands commits to a segment's writer in groups of one table.
type grouped struct {
	w      *writer
	tables [][]storage.Commit
	bytes  int64
}

func (g *grouped) add(table int, c storage.Commit) error {
	g.tables[table] = append(g.tables[table], c)
	if g.bytes += sizeOf(c); g.bytes < groupBytes {
		return nil
	}
	return g.flush()
}

func (g *grouped) flush() error {
	for i, commits := range g.tables {
		for j := range commits {
			if err := g.w.add(i, &commits[j]); err != nil {
				return err
			}
		}
		clear(commits) // the next group must not keep these
		g.tables[i] = commits[:0]
	}
	g.bytes = 0
	return nil
}

// replace puts the merged segment in the place of the run. Segments that were
// appended meanwhile stay.
func (l *Log) replace(run []Segment, s Segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.chain, func(c Segment) bool { return c.Name == run[0].Name })
	l.chain = slices.Replace(slices.Clone(l.chain), i, i+len(run), s)
}

// mergedHead is the head of the segment that replaces the run.
func mergedHead(run []Segment) Head {
	h := Head{Vault: run[0].Vault, HubID: run[0].HubID, From: run[0].From, To: run[len(run)-1].To}
	for _, s := range run {
		for _, t := range s.Tables {
			i, ok := h.find(t.Table)
			if !ok {
				h.Tables = slices.Insert(h.Tables, i, t)
				continue
			}
			m := &h.Tables[i]
			m.After, m.Through, m.Commits = t.After, t.Through, m.Commits+t.Commits
			m.noteRestores(t.Restored, t.RestoredAt)
		}
	}
	return h
}
