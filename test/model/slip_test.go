package model

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// fault makes one file operation fail.
func (w *world) fault(pattern string, nth int) *harness.FileFault {
	kinds := []harness.OpKind{harness.OpCreate, harness.OpWrite, harness.OpSync, harness.OpRename, harness.OpSyncDir, harness.OpRemove}
	kind := kinds[w.rng.IntN(len(kinds))]
	w.note("%s %d", kind, nth)
	return w.h.FS.On(kind, pattern).Nth(nth).Fail(syscall.EIO)
}

// slipLog lets an operation on the change log fail, once or twice in a row: the answer
// to an append may be lost when it is done. Nothing may be lost by that.
func (w *world) slipLog() {
	if w.set.Cap < 1<<20 { // which one failure may pass
		through := w.logged()
		for _, name := range tables {
			w.doubt(name, through[name])
		}
	}
	faults := []*harness.FileFault{w.fault("vault/log*", 1+w.rng.IntN(3))}
	if w.rng.IntN(3) == 0 {
		faults = append(faults, w.fault("vault/log*", 1+w.rng.IntN(3)))
	}
	for range 2 {
		w.write(w.any(), 1+w.rng.IntN(5))
		p, err := w.hub().TableAt(w.ctx(), w.any(), app.Latest) // which ships
		if err == nil {
			p.Close()
		}
	}
	for _, f := range faults {
		f.Lift()
	}
	w.closeBreaks()
}

// slipSwap lets an operation on a table's marker fail while it is restored or compacted:
// it is the one store or the other.
func (w *world) slipSwap() {
	name := w.any()
	vs := w.past[name].versions()
	if len(vs) == 0 {
		return
	}
	v := vs[w.rng.IntN(len(vs))]
	compact := w.rng.IntN(2) == 0
	fault := w.fault("data/tables/"+name+"/*", 1+w.rng.IntN(4))
	var err error
	if compact {
		_, err = w.hub().Compact(w.ctx(), name)
	} else {
		_, err = w.hub().Restore(w.ctx(), app.RestoreRequest{Tables: []string{name}, At: number(v)})
	}
	hit := fault.Hits() > 0
	fault.Lift()
	require.True(w.t, err == nil || hit || notRestorable(err) || compact, "%v", err)
	for range 3 { // where the outcome was not known
		if _, err := w.table(name).Count(w.ctx()); err == nil {
			break
		}
		w.reopened(name)
	}
	switch {
	case compact:
	case err == nil:
		w.restoredTo(name, v)
	case notRestorable(err):
		require.True(w.t, w.excused(name, v), "%v", err)
	default:
		w.settleAny(name, w.past[name].at(v))
	}
	w.write(name, 1)
}

// settleAny is [world.settle] for a restore.
func (w *world) settleAny(name string, may []state) {
	found, err := collect(w.table(name).Scan(w.ctx(), app.Range{}))
	require.NoError(w.t, err)
	early, late := w.present()
	for _, s := range may {
		if s.differs(found, early, late) == "" {
			w.settle(name, s)
			return
		}
	}
	w.settle(name, w.past[name].now())
}

// restoreAll takes the whole hub to one moment.
func (w *world) restoreAll() {
	vs := w.past[w.any()].versions()
	if len(vs) == 0 {
		return
	}
	v := vs[w.rng.IntN(len(vs))]
	out, err := w.hub().Restore(w.ctx(), app.RestoreRequest{All: true, At: number(v)})
	for _, r := range out.Results {
		if r.Status == app.StatusRestored {
			require.Equal(w.t, v, r.Version)
			w.restoredTo(r.Table, v)
			continue
		}
		require.True(w.t, notRestorable(err) && w.excused(r.Table, v), "%+v: %v", r, err)
	}
	w.write(w.any(), 1)
}

// killAndLose kills the hub and loses its data: what was shipped is there.
func (w *world) killAndLose() {
	w.h.Stop()
	for name, l := range w.killed() {
		w.past[name].add(w.became(l)[0], 0) // or not: it may be at no version
	}
	through := w.shipped()
	w.gone()
	w.h.Start()
	w.bringBack(through)
}

// elsewhere restores all tables to a moment in another directory, which takes the place
// of the hub's and goes on with its vault.
func (w *world) elsewhere() {
	vs := w.past[w.any()].versions()
	if len(vs) == 0 {
		return
	}
	v := vs[w.rng.IntN(len(vs))]
	dir := filepath.Join(w.h.Dir, "new")
	_, err := w.hub().Restore(w.ctx(), app.RestoreRequest{All: true, At: number(v), To: dir})
	var failed *app.FailedError
	if errors.As(err, &failed) || errors.Is(err, storage.ErrInvalid) {
		require.NoError(w.t, os.RemoveAll(dir))
		return
	}
	require.NoError(w.t, err)
	w.note("to %d", v)
	w.h.Stop()
	w.gone()
	require.NoError(w.t, os.Rename(dir, w.data()))
	w.h.Start()
	for _, name := range tables {
		w.restoredTo(name, v)
	}
	w.write(w.any(), 1)
}
