// Package past holds point-in-time restore to a model.
package past

import (
	"context"
	"fmt"
	"github.com/brockdb/brock/test/extent"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/brockdb/brock/app"
	_ "github.com/brockdb/brock/test/roomy"
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
	tune  []func(*app.Config)
}

func newWorld(t *testing.T, seed uint64, tune ...func(*app.Config)) *world {
	w := &world{t: t, tune: tune, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 9)), state: map[string]string{}, past: map[app.Version]map[string]string{}}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	var err error
	cfg := app.Config{Data: w.dir, Tables: []string{"a", "b"}, Offline: true, Logger: slog.New(slog.DiscardHandler)}
	for _, tune := range w.tune {
		tune(&cfg)
	}
	w.hub, err = app.Open(context.Background(), cfg)
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
	for seed := range uint64(extent.Few(2, 3)) {
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

// TestEveryVersionCanBeLookedAt looks at random moments while the table goes on, is
// restored, compacted and opened again: the live store and the vault say the same.
func TestEveryVersionCanBeLookedAt(t *testing.T) {
	w := newWorld(t, 5)
	for range extent.Few(10, 20) {
		w.write(1 + w.rng.IntN(10))
		all := w.versions()
		switch w.rng.IntN(5) {
		case 0:
			_, err := w.hub.Backup(t.Context())
			require.NoError(t, err)
		case 1:
			w.close()
			w.open()
		case 2:
			_, err := w.hub.Compact(t.Context(), "a")
			require.NoError(t, err)
		case 3:
			v := all[w.rng.IntN(len(all))]
			w.restore(app.RestoreRequest{At: strconv.FormatUint(uint64(v), 10)})
			w.state = maps.Clone(w.past[v])
		}
		for range extent.Few(2, 4) {
			w.look(all[w.rng.IntN(len(all))])
		}
		w.look(all[len(all)-1])
	}
}

// look compares the table as it was at the version with the model.
func (w *world) look(v app.Version) {
	p, err := w.hub.TableAt(w.t.Context(), "a", strconv.FormatUint(uint64(v), 10))
	require.NoError(w.t, err)
	defer p.Close()
	all := map[string]string{}
	for r, err := range p.Scan(w.t.Context(), app.Range{}) {
		require.NoError(w.t, err)
		all[string(r.Key)] = string(r.Value)
	}
	require.Equal(w.t, w.past[v], all, "version %d", v)
	n, err := p.Count(w.t.Context())
	require.NoError(w.t, err)
	require.EqualValues(w.t, len(all), n)
}

// bulk fills the table with enough for files to be worth copying.
func (w *world) bulk(n int) {
	value := make([]byte, 400)
	for i := 0; i < n; i += 500 {
		var b app.Batch
		for j := range 500 {
			for k := range value {
				value[k] = byte('a' + w.rng.IntN(26))
			}
			b = append(b, app.Op{Key: fmt.Appendf(nil, "k%06d", i+j), Value: slices.Clone(value)})
			w.state[string(b[j].Key)] = string(value)
		}
		v, err := w.table().Apply(w.t.Context(), b)
		require.NoError(w.t, err)
		w.past[v] = nil
	}
}

func (w *world) touch(n, of int) {
	for range n {
		key := fmt.Sprintf("k%06d", w.rng.IntN(of))
		w.state[key] = fmt.Sprint(w.rng.Uint64())
		_, err := w.table().Put(w.t.Context(), []byte(key), []byte(w.state[key]))
		require.NoError(w.t, err)
	}
	large := slices.Repeat([]byte{byte(w.rng.Uint32())}, 100<<10)
	w.state["large"] = string(large)
	_, err := w.table().Put(w.t.Context(), []byte("large"), large)
	require.NoError(w.t, err)
}

// TestSnapshotsOfEveryKind makes snapshots of files, of files and change log, and of
// records; each restores exactly, also after a compaction has made all files new,
// and after a restart.
func TestSnapshotsOfEveryKind(t *testing.T) {
	const n = 20_000
	w := newWorld(t, 1)
	w.bulk(n)
	type taken struct {
		run   app.Run
		state map[string]string
	}
	var runs []taken
	backup := func() app.Result {
		run, err := w.hub.Backup(t.Context(), "a")
		require.NoError(t, err)
		runs = append(runs, taken{run, maps.Clone(w.state)})
		return run.Results[0]
	}
	full := backup()
	require.Greater(t, full.NewSize, int64(n*300), "what the memtables hold is compressed")
	w.touch(100, n)
	next := backup()
	require.Less(t, next.NewSize, full.NewSize/50, "the change log has it")
	_, err := w.hub.Compact(t.Context(), "a")
	require.NoError(t, err)
	w.touch(100, n)
	next = backup()
	require.Less(t, next.NewSize, full.NewSize/50, "the change log has it, though all files are new")
	w.close()
	w.open()
	w.touch(30, n)
	backup()
	rep, err := w.hub.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	drill, err := w.hub.Drill(t.Context(), "a")
	require.NoError(t, err)
	require.Empty(t, drill.Problems)
	for _, r := range runs {
		out, err := w.hub.Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, Snapshot: r.run.ID})
		require.NoError(t, err)
		require.EqualValues(t, len(r.state), out.Results[0].Records)
		require.Equal(t, r.state, w.contents())
	}
}

// A moment before there was a hub is refused: a mistyped time must not empty a table.
func TestMomentsBeforeTheHub(t *testing.T) {
	w := newWorld(t, 2)
	w.write(3)
	_, err := w.hub.Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: "2h ago"})
	require.ErrorContains(t, err, "what can be restored is")
	require.Equal(t, w.state, w.contents())
}
