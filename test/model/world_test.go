package model

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/vault"
	"github.com/brockdb/brock/test/harness"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

// blur is how far the hub's clock may be ahead of its wall clock: after a kill it goes
// on from a mark that was set ahead.
const blur = 15 * time.Second

var tables = []string{"a", "b", "b_2"}

// wall is a clock whose timers move on only, while its time may jump.
type wall struct {
	*clockwork.FakeClock
	off atomic.Int64
}

func (w *wall) Now() time.Time                  { return w.FakeClock.Now().Add(time.Duration(w.off.Load())) }
func (w *wall) Since(t time.Time) time.Duration { return w.Now().Sub(t) }
func (w *wall) Until(t time.Time) time.Duration { return t.Sub(w.Now()) }

// settings are what a seed makes of the hub.
type settings struct {
	Keep             int
	Window           time.Duration
	Cap              int64
	Memory           int64
	Fanout           int
	ImageMin         int64
	Interval, Offset time.Duration
}

func (s settings) apply(c *app.Config) {
	c.Tables, c.Offline, c.Keep = tables, true, s.Keep
	c.LogWindow, c.LogCap, c.LogInterval = s.Window, s.Cap, s.Interval
	c.Hooks.Vault = func(o *vault.Options) { o.ImageMin, o.ChainMin = s.ImageMin, s.ImageMin }
	c.Hooks.Log = func(o *changelog.ShipperConfig) {
		o.Memory, o.Merge.Fanout = s.Memory, s.Fanout
	}
}

func randomSettings(rng *rand.Rand) settings {
	pick := func(n ...int64) int64 { return n[rng.IntN(len(n))] }
	return settings{Keep: 1 + rng.IntN(3), Window: time.Duration(pick(5, 60, 600)) * time.Minute, Cap: pick(20_000, 200_000, 1<<30),
		Memory: pick(1, 1<<20, 1<<26), Fanout: int(pick(2, 4, 16)), ImageMin: pick(1, 1, 2<<20), Interval: time.Second}
}

// span is a stretch of versions that the log may lack.
type span struct{ lo, hi app.Version }

// world is a hub and what it must be.
type world struct {
	t   *testing.T
	rng *rand.Rand
	set settings
	h   *harness.Harness

	wall   *wall
	began  time.Time              // when the vault was made
	latest time.Time              // that the wall clock ever was
	past   map[string]*history    // of each table
	doubts map[string][]span      // where its log may have a break
	away   interface{ Lift() }    // the vault's fault; nil: it is there
	since  map[string]app.Version // how far the log was when it went away
	broke  *harness.FileFault     // counts breaks since
	aside  string                 // a copy of the vault
	asOf   map[string]app.Version // how far its log goes
	lives  int                    // data directories used up
	did    []string               // the steps so far
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 17)), past: map[string]*history{}, doubts: map[string][]span{}}
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	w.wall, w.latest, w.began = &wall{FakeClock: clockwork.NewFakeClockAt(start)}, start, start
	for _, name := range tables {
		w.past[name] = &history{}
	}
	w.set = randomSettings(w.rng)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d, %+v, steps: %v", seed, w.set, w.did)
		}
	})
	w.h = harness.New(t, harness.Configure(w.set.apply), harness.Configure(func(c *app.Config) { c.Wall = w.wall }))
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }
func (w *world) hub() *app.Hub        { return w.h.Hub() }

func (w *world) any() string { return tables[w.rng.IntN(len(tables))] }

func (w *world) table(name string) *app.Table {
	t, err := w.hub().Table(name)
	require.NoError(w.t, err)
	return t
}

// top is the highest version that is known.
func (w *world) top() (v app.Version) {
	for _, h := range w.past {
		v = max(v, h.top)
	}
	return v
}

// saw takes note of a version of the hub's clock: what comes later is above it.
func (w *world) saw(v app.Version) {
	for _, h := range w.past {
		h.top = max(h.top, v)
	}
}

// present is between which times the hub's clock is: it does not go back with the wall
// clock, if it has looked.
func (w *world) present() (early, late time.Time) {
	early, late = w.wall.Now(), w.latest
	if t := w.top().Time(); t.After(early) {
		early = t
	}
	if early.After(late) {
		late = early
	}
	return early, late.Add(blur)
}

// jump sets the wall clock, which no timer notices.
func (w *world) jump(d time.Duration) {
	w.wall.off.Add(int64(d))
	w.tick()
}

func (w *world) advance(d time.Duration) {
	w.wall.Advance(d)
	w.tick()
}

func (w *world) tick() {
	if now := w.wall.Now(); now.After(w.latest) {
		w.latest = now
	}
}

// logged is how far the vault has the history of each table.
func (w *world) logged() map[string]app.Version {
	list, err := w.hub().List(w.ctx(), tables...)
	require.NoError(w.t, err)
	return furthest(list)
}

func furthest(list app.Listing) map[string]app.Version {
	through := map[string]app.Version{}
	for _, r := range list.Ranges {
		through[r.Table] = max(through[r.Table], r.To)
	}
	return through
}

// doubt says that the log of the table may have a break from a version to now.
func (w *world) doubt(table string, lo app.Version) {
	w.doubts[table] = append(w.doubts[table], span{lo, 0})
}

// sure closes the doubts at the cut of a backup.
func (w *world) sure(cut app.Version, tables []string) {
	for _, name := range tables {
		for i := range w.doubts[name] {
			if d := &w.doubts[name][i]; d.hi == 0 {
				d.hi = cut
			}
		}
	}
}

// excused says whether the table's state at the version may be gone.
func (w *world) excused(table string, v app.Version) bool {
	may := w.past[table].at(v)
	unborn := len(may) == 1 && len(may[0]) == 0 && v < storage.VersionAt(w.began)
	return unborn || !v.Time().After(w.latest.Add(-w.set.Window)) ||
		slices.ContainsFunc(w.doubts[table], func(s span) bool { return s.lo <= v && (v <= s.hi || s.hi == 0) })
}

// collect takes in what a scan finds.
func collect(records iter.Seq2[app.Record, error]) (map[string]app.Record, error) {
	found := map[string]app.Record{}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		found[string(r.Key)] = r
	}
	return found, nil
}

func (w *world) data() string  { return filepath.Join(w.h.Dir, "data") }
func (w *world) vault() string { return filepath.Join(w.h.Dir, "vault") }

// copyTree is a copy of a folder as another disk would have it.
func copyTree(t *testing.T, to, from string) {
	require.NoError(t, os.RemoveAll(to))
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

func (w *world) note(format string, args ...any) { w.did = append(w.did, fmt.Sprintf(format, args...)) }
