package model

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// lose loses the data directory, after a clean stop: all is in the vault.
func (w *world) lose() {
	w.h.Stop()
	w.gone()
	w.h.Start()
	w.bringBack(nil)
}

// gone takes the data directory away.
func (w *world) gone() {
	w.lives++
	require.NoError(w.t, os.Rename(w.data(), fmt.Sprintf("%s-%d", w.data(), w.lives)))
}

// bringBack restores all tables to the latest moment, either in place or into another
// directory that takes the place of the lost one. Where the vault may lack the last
// writes, through is how far it has each table's.
func (w *world) bringBack(through map[string]app.Version) {
	behind := through != nil
	for _, name := range tables {
		known := func(e epoch) bool { return len(e.state) > 0 && e.lo+1 == e.hi && (!behind || e.hi <= through[name]) }
		if slices.ContainsFunc(w.past[name].epochs, known) {
			_, err := w.table(name).Count(w.ctx())
			require.ErrorIs(w.t, err, app.ErrUnavailable, "table %s must not be silently empty", name)
		}
	}
	req := app.RestoreRequest{All: true, At: app.Latest}
	if w.rng.IntN(2) == 0 {
		req.To = filepath.Join(w.h.Dir, "new")
	}
	out, err := w.hub().Restore(w.ctx(), req)
	require.NoError(w.t, err)
	w.note("lost, back at %d", out.Results[0].Version)
	if req.To != "" {
		w.h.Stop()
		w.gone()
		require.NoError(w.t, os.Rename(req.To, w.data()))
		w.h.Start()
	}
	for _, r := range out.Results {
		if h := w.past[r.Table]; behind {
			h.forget(through[r.Table]) // of what is above the moment that all were restored to, the log keeps what it has
		} else if vs := h.versions(); len(vs) > 0 {
			require.GreaterOrEqual(w.t, r.Version, vs[len(vs)-1], "table %s: after a clean stop the vault has all", r.Table)
		}
	}
	for _, r := range out.Results {
		w.restoredTo(r.Table, r.Version)
	}
	w.write(w.any(), 1)
}

// shipped is how far the vault has the history of each table, as no hub runs: one that
// starts says more of tables which it finds empty.
func (w *world) shipped() map[string]app.Version {
	dir := filepath.Join(w.t.TempDir(), "vault")
	copyTree(w.t, dir, w.vault())
	v, err := vault.Open(disk.OS, dir, vault.Owner{Hub: "hub", ID: "looker"}, vault.Options{})
	require.NoError(w.t, err)
	list, err := v.List(tables...)
	require.NoError(w.t, errors.Join(err, v.Close()))
	return furthest(list)
}

// fresh loses one table and lets it begin empty.
func (w *world) fresh() {
	name := w.any()
	w.h.Stop()
	w.h.LoseTable(name)
	w.h.Reconfigure(func(c *app.Config) { c.Fresh = true })
	w.h.Start()
	w.h.Reconfigure(func(c *app.Config) { c.Fresh = false })
	w.past[name].add(state{}, 0)
	w.write(name, 1)
}

// copyVault puts a copy of the vault aside.
func (w *world) copyVault() {
	w.h.Stop()
	w.aside = filepath.Join(w.h.Dir, "aside")
	copyTree(w.t, w.aside, w.vault())
	w.h.Start()
	w.asOf = w.logged()
}

// putBack replaces the vault by the copy: its log ends before what the tables may
// have let go of.
func (w *world) putBack() {
	w.h.Stop()
	copyTree(w.t, w.vault(), w.aside)
	for _, name := range tables {
		w.doubt(name, w.asOf[name])
	}
	w.h.Start()
	w.closeBreaks()
}
