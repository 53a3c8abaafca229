package model

import (
	"os"
	"path/filepath"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// damage makes a table's store one that does not open, after a clean stop. The table
// heals to its last commit, by itself or by hand, and nothing is missing.
func (w *world) damage() {
	name := w.any()
	w.h.Stop()
	if err := os.Remove(filepath.Join(w.data(), "heals.json")); err != nil { // there may be more than two in an hour
		require.ErrorIs(w.t, err, os.ErrNotExist)
	}
	for _, file := range w.h.StoreFiles(name, "MANIFEST") {
		require.NoError(w.t, os.Remove(file))
	}
	if w.rng.IntN(2) == 0 {
		w.h.Reconfigure(func(c *app.Config) { c.Offline = false })
		w.h.Start()
		w.h.AwaitServing(name)
		w.live()
		w.h.Stop()
		w.h.Reconfigure(func(c *app.Config) { c.Offline = true })
		w.h.Start()
	} else {
		w.note("by hand")
		w.h.Start()
		_, err := w.table(name).Count(w.ctx())
		require.ErrorIs(w.t, err, app.ErrQuarantined)
		out, err := w.hub().Restore(w.ctx(), app.RestoreRequest{Tables: []string{name}, At: app.Latest})
		require.NoError(w.t, err)
		require.Zero(w.t, out.Results[0].LaterCommits)
	}
	w.write(name, 1)
}
