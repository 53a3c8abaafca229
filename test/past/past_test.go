// Package past holds point-in-time restore to a model.
package past

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// world is a hub with a model of its table at every version.
type world struct {
	t     *testing.T
	dir   string
	hub   *app.Hub
	rng   *rand.Rand
	state map[string]string
	past  map[app.Version]map[string]string
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 9)), state: map[string]string{}, past: map[app.Version]map[string]string{}}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	var err error
	w.hub, err = app.Open(context.Background(), app.Config{Data: w.dir, Tables: []string{"a", "b"}, Offline: true,
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
}

func (w *world) close() { require.NoError(w.t, w.hub.Close(context.Background())) }

func (w *world) table() *app.Table {
	t, err := w.hub.Table("a")
	require.NoError(w.t, err)
	return t
}

func (w *world) write(n int) {
	ctx := w.t.Context()
	for range n {
		key := fmt.Sprintf("k%02d", w.rng.IntN(30))
		var v app.Version
		var err error
		if _, there := w.state[key]; there && w.rng.IntN(3) == 0 {
			v, err = w.table().Delete(ctx, []byte(key))
			delete(w.state, key)
		} else {
			value := fmt.Sprint(w.rng.Uint64())
			v, err = w.table().Put(ctx, []byte(key), []byte(value))
			w.state[key] = value
		}
		require.NoError(w.t, err)
		w.past[v] = maps.Clone(w.state)
	}
}

func (w *world) contents() map[string]string {
	all := map[string]string{}
	for r, err := range w.table().Scan(w.t.Context(), app.Range{}) {
		require.NoError(w.t, err)
		all[string(r.Key)] = string(r.Value)
	}
	return all
}

func (w *world) versions() []app.Version { return slices.Sorted(maps.Keys(w.past)) }

func (w *world) restore(req app.RestoreRequest) app.RestoredTable {
	req.Tables = []string{"a"}
	out, err := w.hub.Restore(w.t.Context(), req)
	require.NoError(w.t, err)
	return out.Results[0]
}

// TestEveryVersionIsRestorable restores random moments, between backups, across
// restarts, compactions and earlier restores; the past stays what it was.
func TestEveryVersionIsRestorable(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t, seed)
		for range 12 {
			w.write(1 + w.rng.IntN(20))
			switch w.rng.IntN(6) {
			case 0:
				_, err := w.hub.Backup(t.Context())
				require.NoError(t, err)
			case 1:
				w.close()
				w.open()
			case 2:
				_, err := w.hub.Compact(t.Context(), "a")
				require.NoError(t, err)
			default:
				all := w.versions()
				v := all[w.rng.IntN(len(all))]
				out := w.restore(app.RestoreRequest{At: strconv.FormatUint(uint64(v), 10)})
				require.Equal(t, w.past[v], w.contents())
				require.EqualValues(t, len(w.past[v]), out.Records)
				w.state = maps.Clone(w.past[v])
			}
		}
		now := w.contents()
		out := w.restore(app.RestoreRequest{At: app.Latest})
		require.Zero(t, out.LaterCommits)
		require.Equal(t, now, w.contents())
	}
}
