package model

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// live compares the tables with the model.
func (w *world) live() {
	for _, name := range tables {
		found, err := collect(w.table(name).Scan(w.ctx(), app.Range{}))
		require.NoError(w.t, err, "table %s", name)
		early, late := w.present()
		require.Empty(w.t, w.past[name].now().differs(found, early, late), "table %s", name)
	}
}

// restored makes the table as the vault has it at a moment, or as a snapshot has it,
// and returns its records as of then.
func (w *world) restored(name string, req app.RestoreRequest) (map[string]app.Record, app.Version, error) {
	dir := filepath.Join(w.h.Dir, "look")
	require.NoError(w.t, os.RemoveAll(dir))
	req.Tables, req.To = []string{name}, dir
	out, err := w.hub().Restore(w.ctx(), req)
	if err != nil {
		return nil, 0, err
	}
	at := out.Results[0].Version
	d, err := storage.OpenTableDir(disk.OS, filepath.Join(dir, "tables", name), name)
	require.NoError(w.t, err)
	s, err := d.Open(storage.Options{MinFree: -1})
	require.NoError(w.t, err)
	return w.contents(s, at), at, nil
}

// contents are the records of a store, which is closed, at a version.
func (w *world) contents(s *storage.Store, at app.Version) map[string]app.Record {
	defer func() { require.NoError(w.t, s.Close(w.ctx())) }()
	l, err := s.LookAt(at)
	require.NoError(w.t, err)
	defer l.Release()
	found, err := collect(l.Scan(app.Range{}))
	require.NoError(w.t, err)
	return found
}

func number(v app.Version) string { return strconv.FormatUint(uint64(v), 10) }

// moment holds the vault to the table's state at a version; must says that it has no
// right to refuse it, unless a backup that closed a break has meanwhile removed it.
func (w *world) moment(name string, v app.Version, must string) {
	found, _, err := w.restored(name, app.RestoreRequest{At: number(v)})
	if err != nil && notRestorable(err) {
		require.False(w.t, must != "" && w.isListed(name, v), "%s: table %s at %d (%v): %v", must, name, v, v.Time(), err)
		require.True(w.t, w.excused(name, v), "table %s at %d (%v), for no reason: %v", name, v, v.Time(), err)
		return
	}
	require.NoError(w.t, err, "table %s at %d", name, v)
	require.Empty(w.t, differs(w.past[name].at(v), found, v.Time(), v.Time()), "table %s at %d", name, v)
}

// isListed says whether the vault still says that the moment can be restored.
func (w *world) isListed(name string, v app.Version) bool {
	list, err := w.hub().List(w.ctx(), name)
	require.NoError(w.t, err)
	return slices.ContainsFunc(list.Ranges, func(r app.Restorable) bool { return r.From <= v && v <= r.To }) ||
		slices.ContainsFunc(list.Snapshots, func(s app.Snapshot) bool { return s.Cut == v })
}

// notRestorable says so of a restore, whose failures are texts.
func notRestorable(err error) bool {
	var failed *app.FailedError
	return errors.Is(err, app.ErrNotRestorable) || errors.As(err, &failed) && strings.Contains(failed.Error(), app.ErrNotRestorable.Error())
}

// look compares a view on the past, from the store or the vault, with the model.
func (w *world) look(name string, v app.Version) {
	p, err := w.hub().TableAt(w.ctx(), name, number(v))
	if errors.Is(err, app.ErrNotRestorable) {
		require.True(w.t, w.excused(name, v), "look at table %s at %d (%v), for no reason: %v", name, v, v.Time(), err)
		return
	}
	require.NoError(w.t, err)
	defer p.Close()
	found, err := collect(p.Scan(w.ctx(), app.Range{}))
	require.NoError(w.t, err)
	require.Empty(w.t, differs(w.past[name].at(v), found, v.Time(), v.Time()), "look at table %s at %d", name, v)
}

// moments looks at some of the past.
func (w *world) moments(n int) {
	name := w.any()
	vs := w.past[name].versions()
	for range min(n, len(vs)) {
		v := vs[w.rng.IntN(len(vs))]
		if v += app.Version(w.rng.IntN(2)); w.rng.IntN(3) == 0 {
			w.look(name, v)
		} else {
			w.moment(name, v, "")
		}
	}
}

// listed holds the list to its word: each end of each range, and a version within,
// can be restored, and each snapshot is what the table was at its cut.
func (w *world) listed() {
	list, err := w.hub().List(w.ctx(), tables...)
	require.NoError(w.t, err)
	require.Empty(w.t, list.Problems)
	for _, r := range list.Ranges {
		from := max(r.From, 1)
		for _, v := range []app.Version{from, r.To, from + app.Version(w.rng.Uint64N(uint64(r.To-from)+1))} {
			w.moment(r.Table, v, "it is listed")
		}
	}
	for _, s := range list.Snapshots {
		found, at, err := w.restored(s.Table, app.RestoreRequest{Snapshot: s.Name})
		if err != nil && w.removed(s) {
			continue // by a backup that closed a break meanwhile
		}
		require.NoError(w.t, err, "table %s, snapshot %s", s.Table, s.Name)
		require.Equal(w.t, s.Cut, at)
		require.Empty(w.t, differs(w.past[s.Table].at(at), found, at.Time(), at.Time()), "table %s, snapshot %s", s.Table, s.Name)
		w.moment(s.Table, s.Cut, "there is a snapshot")
	}
	w.head()
	if len(list.Snapshots) > 0 {
		w.withoutIt(list, list.Snapshots[w.rng.IntN(len(list.Snapshots))])
	}
}

// head restores a table to the latest moment: that is what it is now.
func (w *world) head() {
	name := w.any()
	list, err := w.hub().List(w.ctx(), name)
	require.NoError(w.t, err)
	if len(list.Snapshots)+len(list.Ranges) == 0 {
		return
	}
	found, at, err := w.restored(name, app.RestoreRequest{At: app.Latest})
	require.NoError(w.t, err)
	require.Empty(w.t, w.past[name].now().differs(found, at.Time(), at.Time()), "table %s at the head, %d", name, at)
}

// withoutIt makes a table as it was at a snapshot's cut from an older snapshot and the
// change log, where the list says that no break lies between.
func (w *world) withoutIt(list app.Listing, s app.Snapshot) {
	i := slices.IndexFunc(list.Snapshots, func(o app.Snapshot) bool { return o.Table == s.Table && o.Cut < s.Cut }) // newest first
	if i < 0 || !slices.ContainsFunc(list.Ranges, func(r app.Restorable) bool {
		return r.Table == s.Table && r.From <= list.Snapshots[i].Cut && s.Cut <= r.To
	}) {
		return
	}
	older := list.Snapshots[i]
	v, err := vault.OpenReadOnly(disk.OS, w.vault())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, v.Close()) }()
	dir := filepath.Join(w.h.Dir, "without")
	require.NoError(w.t, os.RemoveAll(dir))
	p, err := v.PastFrom(w.ctx(), s.Table, s.Cut, func(o app.Snapshot) bool { return o.Cut <= older.Cut })
	if err == nil {
		require.Equal(w.t, s.Ledger.Version, p.Ledger.Version, "the log leads to the snapshot's account")
		require.True(w.t, s.Ledger.Agrees(p.Ledger), s.Ledger.Differs(p.Ledger))
		err = v.BuildPast(w.ctx(), p, dir, nil)
	}
	if err != nil && (w.removed(s) || w.removed(older)) {
		return
	}
	require.NoError(w.t, err, "snapshot %s of %s from %s and the log", s.Name, s.Table, older.Name)
	store, err := storage.Open(dir, s.Table, storage.Options{MinFree: -1})
	require.NoError(w.t, err)
	found := w.contents(store, s.Cut)
	require.Empty(w.t, differs(w.past[s.Table].at(s.Cut), found, s.Cut.Time(), s.Cut.Time()), "snapshot %s of %s from %s and the log", s.Name, s.Table, older.Name)
	w.note("%s from %s and the log", s.Name, older.Name)
}

func (w *world) removed(s app.Snapshot) bool {
	list, err := w.hub().List(w.ctx(), s.Table)
	require.NoError(w.t, err)
	return !slices.ContainsFunc(list.Snapshots, func(o app.Snapshot) bool { return o.Name == s.Name })
}

// sound verifies and drills.
func (w *world) sound() {
	rep, err := w.hub().Verify(w.ctx())
	require.NoError(w.t, err)
	require.Empty(w.t, rep.Problems)
	drill, err := w.hub().Drill(w.ctx())
	for _, p := range drill.Problems { // a kill may have come before the first one
		require.Contains(w.t, p.Problem, "has no complete snapshot", "%+v", p)
	}
	require.True(w.t, err == nil || len(drill.Problems) > 0, "%v", err)
}
