package linear

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/brockdb/brock/app"
)

// names are the hub's tables.
var names = []string{"a", "b"}

// disturber backs up, restores and compacts while clients are at work. What it does to
// tables is in the history too.
type disturber struct {
	id  int
	hub *app.Hub
	rng *rand.Rand
	h   *history

	mu   *sync.Mutex
	runs *[]string // that were made
}

func (d *disturber) disturb(ctx context.Context) {
	d.mu.Lock()
	made := slices.Clone(*d.runs)
	d.mu.Unlock()
	switch p := d.rng.IntN(10); {
	case p < 2:
		_, _ = d.hub.Compact(ctx, names[d.rng.IntN(len(names))]) // it may wait for the change log
	case p < 7 && len(made) > 0:
		d.restore(ctx, made[d.rng.IntN(len(made))])
	default:
		d.backup(ctx)
	}
}

// backup reads all tables at one cut.
func (d *disturber) backup(ctx context.Context) {
	ids := make([]int, len(names))
	for t := range names {
		ids[t] = d.h.begin(d.id+t, input{Table: t, Kind: backup})
	}
	run, err := d.hub.Backup(ctx)
	ok := map[string]bool{}
	for _, name := range run.TablesBackedUp {
		ok[name] = true
	}
	for t, name := range names {
		out := output{Status: done, Version: uint64(run.Cut), Run: run.ID}
		if !ok[name] {
			out = output{Status: refused}
			if err != nil {
				out.Error = err.Error()
			}
		}
		d.h.end(ids[t], out)
	}
	if len(ok) == len(names) {
		d.mu.Lock()
		defer d.mu.Unlock()
		*d.runs = append(*d.runs, run.ID)
	}
}

// restore takes a table to what a run has of it.
func (d *disturber) restore(ctx context.Context, run string) {
	t := d.rng.IntN(len(names))
	in := input{Table: t, Kind: restore, Run: run}
	id := d.h.begin(d.id+t, in)
	res, err := d.hub.Restore(ctx, app.RestoreRequest{Tables: names[t : t+1], Snapshot: in.Run})
	out := output{Status: done}
	if err != nil {
		out = output{Status: unknown, Error: err.Error()}
	} else {
		out.Version = uint64(res.Results[0].Version)
	}
	d.h.end(id, out)
}
