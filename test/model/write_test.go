package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// write commits batches to a table.
func (w *world) write(table string, n int) {
	for range n {
		b, conflict := makeUp(w.rng, w.past[table].now(), w.wall.Now(), w.present)
		v, err := w.table(table).Apply(w.ctx(), b)
		if conflict {
			require.ErrorIs(w.t, err, app.ErrConflict)
			continue
		}
		require.NoError(w.t, err, "write to %s", table)
		w.wrote(table, b, v)
	}
}

func (w *world) wrote(table string, b app.Batch, v app.Version) {
	h := w.past[table]
	require.Greater(w.t, v, h.top, "versions rise")
	h.add(h.now().with(b, v), v)
	w.saw(v)
}

// makeUp returns a batch, and whether its condition does not hold.
func makeUp(rng *rand.Rand, now state, wall time.Time, present func() (early, late time.Time)) (b app.Batch, conflict bool) {
	early, late := present()
	op := put(rng, wall)
	old, exists := now[string(op.Key)]
	exists = exists && !old.due(early)
	sure := exists == (exists && !old.due(late))
	switch p := rng.IntN(20); {
	case p < 9 || !sure:
	case p < 13:
		return app.Batch{{Key: op.Key, Delete: true}}, false
	case p < 14:
		op.IfAbsent = true
		return app.Batch{op}, exists
	case p < 15 && old.version > 0:
		op.IfVersion = old.version
		return app.Batch{op}, !exists
	case p < 16:
		op.IfVersion = old.version + 1
		return app.Batch{op}, true
	default:
		return batch(rng, wall), false
	}
	return app.Batch{op}, false
}

func batch(rng *rand.Rand, wall time.Time) (b app.Batch) {
	taken := map[string]bool{}
	for range 2 + rng.IntN(12) {
		op := put(rng, wall)
		if taken[string(op.Key)] {
			continue
		}
		if taken[string(op.Key)] = true; rng.IntN(4) == 0 {
			op = app.Op{Key: op.Key, Delete: true}
		}
		b = append(b, op)
	}
	return b
}

func put(rng *rand.Rand, wall time.Time) app.Op {
	size := rng.IntN(300)
	if rng.IntN(40) == 0 {
		size = 33<<10 + rng.IntN(10<<10) // Badger keeps it apart
	}
	unit := fmt.Sprintf("%x ", rng.Uint64())
	op := app.Op{Key: fmt.Appendf(nil, "k%02d", rng.IntN(60)), Value: []byte(strings.Repeat(unit, 1+size/len(unit)))}
	if rng.IntN(6) == 0 {
		after := []time.Duration{-time.Minute, time.Minute, 10 * time.Minute, time.Hour}[rng.IntN(4)]
		op.ExpiresAt = wall.Add(after).UTC().Truncate(time.Millisecond)
	}
	return op
}

// fill writes enough for files to be worth copying.
func (w *world) fill(table string) {
	for range 4 {
		var b app.Batch
		for j := range 40 {
			op := put(w.rng, w.wall.Now())
			op.Key, op.ExpiresAt = fmt.Appendf(op.Key, "/%d", j), time.Time{}
			b = append(b, op)
		}
		keep := map[string]app.Op{}
		for _, op := range b {
			keep[string(op.Key)] = op
		}
		v, err := w.table(table).Apply(w.ctx(), b)
		require.NoError(w.t, err)
		w.wrote(table, b, v)
	}
}

// together writes to the tables while f runs.
func (w *world) together(f func(), names ...string) {
	done := make(chan struct{})
	type wrote struct {
		table string
		b     app.Batch
		v     app.Version
	}
	var all []wrote
	seed := w.rng.Uint64()
	var failed error
	stop := make(chan struct{})
	go func() {
		defer close(done)
		rng := rand.New(rand.NewPCG(seed, 3))
		for range 40 {
			select {
			case <-stop:
				return
			default:
			}
			for _, name := range names {
				b := batch(rng, w.wall.Now())
				t, err := w.hub().Table(name)
				var v app.Version
				if err == nil {
					v, err = t.Apply(w.ctx(), b)
				}
				if failed = errors.Join(failed, err); err != nil {
					return
				}
				all = append(all, wrote{name, b, v})
			}
		}
	}()
	f()
	close(stop)
	<-done
	require.NoError(w.t, failed)
	for _, c := range all {
		w.wrote(c.table, c.b, c.v)
	}
}
