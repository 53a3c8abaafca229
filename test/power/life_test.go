package power

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

const (
	vaultDir  = "/vault"
	clockFile = "/data/clock"
	keep      = 2
	window    = time.Hour
)

var (
	ctx   = context.Background()
	owner = vault.Owner{Hub: "hub", ID: "hub-1"}
	names = []string{"task", "task_queue"} // one the other's beginning
)

// life is a hub's storage without its actors: real stores in a folder, of which the cuts
// know nothing, and vault and clock on a recorder. What is promised it keeps with the
// step from which on it is.
type life struct {
	t   *testing.T
	rng *rand.Rand
	fs  disk.FS
	rec *disktest.Recorder // what fs is, in the tests of power cuts
	dir string
	now time.Time

	clock  *storage.Clock
	vault  *vault.Vault
	ship   *changelog.Shipper
	stores map[string]*storage.Store
	ticks  int            // steps, where nothing is recorded
	spare  *storage.Store // of a table that is backed up after the cuts
	built  int            // folders of stores
	ran    int            // runs

	met          *disktest.Call // by the work that is looked at
	wants        storage.Ledger // of a store that is made
	made, madeOf string

	ledgers   map[string]map[storage.Version]storage.Ledger // after each commit
	moments   map[string][]storage.Version                  // the commits
	issued    []since[storage.Version]
	shipped   map[string][]since[storage.Ledger]
	trimmed   []since[storage.Version] // moments up to here may be out of reach
	snapshots []*promised
	runs      []since[string]
}

// since is what holds from a step on.
type since[T any] struct {
	from  int
	value T
}

// at returns what holds after so many steps.
func at[T any](list []since[T], step int) (v T) {
	for _, s := range list {
		if s.from <= step {
			v = s.value
		}
	}
	return v
}

// promised is a snapshot that was acknowledged.
type promised struct {
	table, name string
	ledger      storage.Ledger
	from        int
	proven      int // 0: it is not
	mayGo, gone int // 0: it stays
}

func newLife(t *testing.T, seed uint64, fsys disk.FS) *life {
	require.NoError(t, fsys.MkdirAll(filepath.Dir(clockFile)))
	l := &life{t: t, rng: rand.New(rand.NewPCG(seed, 1)), fs: fsys, dir: t.TempDir(), now: time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC),
		stores: map[string]*storage.Store{}, ledgers: map[string]map[storage.Version]storage.Ledger{},
		moments: map[string][]storage.Version{}, shipped: map[string][]since[storage.Ledger]{}}
	l.rec, _ = fsys.(*disktest.Recorder)
	l.open()
	l.spare = l.create("spare")
	_, err := l.spare.Commit(l.issue(), []storage.Batch{{{Key: []byte("k"), Value: []byte("v")}}})
	require.NoError(t, err)
	for _, name := range names {
		l.stores[name], l.ledgers[name] = l.create(name), map[storage.Version]storage.Ledger{}
		l.ship.Tap(name).Serve(l.stores[name])
		l.commit(name, 60)
	}
	return l
}

// steps returns how many steps the recorder has taken down.
func (l *life) steps() int {
	if l.rec == nil {
		l.ticks++
		return l.ticks
	}
	return l.rec.Steps()
}

func (l *life) wall() time.Time { return l.now }

func (l *life) options(fsys disk.FS) vault.Options {
	return vault.Options{Now: l.wall, ImageMin: 1, ChainMin: 1,
		Lock: func(file string) (func() error, error) { return disktest.TryLock(fsys, file) }}
}

func (l *life) storeOptions() storage.Options {
	return storage.Options{MinFree: -1, Unsynced: true, Now: func() storage.Version { return l.clock.Now() }}
}

func (l *life) create(table string) *storage.Store {
	l.built++
	s, err := storage.Create(filepath.Join(l.dir, fmt.Sprint(l.built)), table, l.storeOptions())
	require.NoError(l.t, err)
	l.t.Cleanup(func() { _ = s.Close(ctx) })
	return s
}

func (l *life) open() {
	var err error
	l.clock, err = storage.OpenClock(l.fs, clockFile, l.wall)
	require.NoError(l.t, err)
	l.vault, err = vault.Open(l.fs, vaultDir, owner, l.options(l.fs))
	require.NoError(l.t, err)
	top, err := l.vault.MaxVersion()
	require.NoError(l.t, err)
	l.clock.Observe(top)
	l.ship = changelog.NewShipper(changelog.ShipperConfig{Log: l.vault.Log(), Clock: l.clock})
	for name, s := range l.stores {
		l.clock.Observe(s.Ledger().Version)
		l.ship.Tap(name).Serve(s)
	}
}

// live does n things.
func (l *life) live(n int) {
	for range n {
		l.now = l.now.Add(time.Duration(l.rng.IntN(600_000)) * time.Millisecond)
		name := names[l.rng.IntN(len(names))]
		switch l.rng.IntN(16) {
		case 0, 1, 2, 3, 4:
			l.commit(name, 1+l.rng.IntN(3))
		case 5, 6, 7:
			l.shipAll()
		case 8, 9, 10:
			l.backup()
		case 11:
			l.drill(name)
		case 12, 13:
			_, err := l.vault.Log().Merge(ctx, changelog.MergeOptions{Fanout: 2 + l.rng.IntN(2)})
			require.NoError(l.t, err)
		case 14:
			l.restore(name)
		case 15:
			l.restart()
		}
	}
}

// issue takes a version from the clock.
func (l *life) issue() storage.Version {
	v, err := l.clock.Next(storage.MaxVersion)
	require.NoError(l.t, err)
	l.issued = append(l.issued, since[storage.Version]{l.steps(), v})
	return v
}

func (l *life) commit(name string, writes int) {
	var b storage.Batch
	for _, key := range l.rng.Perm(80)[:writes] {
		value := make([]byte, 100+l.rng.IntN(400))
		for j := range value {
			value[j] = byte(l.rng.Uint32())
		}
		b = append(b, storage.Op{Key: fmt.Appendf(nil, "key-%03d", key), Value: value, Delete: l.rng.IntN(8) == 0})
	}
	tap := l.ship.Tap(name)
	tap.Begin()
	v := l.issue()
	out, err := l.stores[name].Commit(v, []storage.Batch{b})
	require.NoError(l.t, err)
	require.NoError(l.t, out.Each[0])
	tap.End(storage.Commit{Ledger: out.Ledger, Changes: out.Changes})
	l.done(name, out.Ledger, len(out.Changes) > 0)
}

func (l *life) done(name string, ledger storage.Ledger, is bool) {
	if is {
		l.ledgers[name][ledger.Version] = ledger
		l.moments[name] = append(l.moments[name], ledger.Version)
	}
}

// shipAll ships, and notes what the log says it has.
func (l *life) shipAll() { require.NoError(l.t, l.tryShip()) }

func (l *life) tryShip() error {
	if _, err := l.ship.Ship(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if st, ok := l.vault.Log().Last(name); ok {
			l.shipped[name] = append(l.shipped[name], since[storage.Ledger]{l.steps(), st.After})
		}
	}
	return nil
}

// backup is a run over both tables, and what follows it.
func (l *life) backup() {
	l.shipAll()
	require.NoError(l.t, l.tryBackup(l.rng.IntN(2) == 0, l.rng.IntN(2) == 0))
	l.retain()
}

// tryBackup is a run, of files where they are worth it, or as a chain where that can be.
func (l *life) tryBackup(files, chain bool) error {
	cut, err := l.clock.Publish()
	if err != nil {
		return err
	}
	l.issued = append(l.issued, since[storage.Version]{l.steps(), cut})
	l.ran++
	run := vault.Run{ID: fmt.Sprintf("run%09d", l.ran), Hub: owner.Hub, Trigger: "api", Cut: cut, StartedAt: vault.At(l.now), BackupDir: vaultDir}
	for _, name := range names {
		if chain {
			if err := l.tryShip(); err != nil { // through the cut
				return err
			}
		}
		s, err := l.snapshot(name, run.ID, cut, files)
		if err != nil {
			return err
		}
		run.Results = append(run.Results, s.Result(time.Second, time.Millisecond))
	}
	run.Tally()
	if err := l.vault.WriteRun(run); err != nil {
		return err
	}
	l.runs = append(l.runs, since[string]{l.steps(), run.ID})
	return nil
}

func (l *life) snapshot(name, run string, cut storage.Version, files bool) (vault.Snapshot, error) {
	lease, err := l.stores[name].Pin(cut)
	require.NoError(l.t, err)
	defer lease.Release()
	src := vault.Source{Entries: lease.Entries()}
	if files {
		src.Image, err = lease.Image(ctx)
		require.NoError(l.t, err)
		defer src.Image.Release()
	}
	s, err := l.vault.WriteSnapshot(ctx, vault.SnapshotSpec{Table: name, Run: run, Cut: cut, Ledger: lease.Ledger}, src, vault.WriteOptions{})
	if err == nil {
		l.snapshots = append(l.snapshots, &promised{table: name, name: s.Name, ledger: lease.Ledger, from: l.steps()})
	}
	return s, err
}

func (l *life) retain() { require.NoError(l.t, l.tryRetain()) }

func (l *life) tryRetain() error {
	l.trimmed = append(l.trimmed, since[storage.Version]{l.steps(), storage.VersionAt(l.now.Add(-window))})
	for _, name := range names {
		before := l.steps()
		removed, err := l.vault.Retain(ctx, name, keep, window)
		for _, gone := range removed {
			for _, s := range l.snapshots {
				if s.table == name && s.name == gone {
					s.mayGo, s.gone = before+1, l.steps()
				}
			}
		}
		if err != nil {
			return err
		}
	}
	_, err := l.vault.TrimLog(ctx, keep, window)
	return err
}

func (l *life) drill(name string) {
	for _, s := range l.snapshots {
		if s.table == name && s.gone == 0 && s.proven == 0 {
			_, err := l.vault.Drill(ctx, name, s.name, l.t.TempDir())
			require.NoError(l.t, err)
			s.proven = l.steps()
			return
		}
	}
}

// restore puts an earlier moment in a table's place, as a table's actor does.
func (l *life) restore(name string) {
	l.shipAll()
	floor := at(l.trimmed, l.steps())
	var reach []storage.Version
	for _, v := range l.moments[name] {
		if v > floor {
			reach = append(reach, v)
		}
	}
	if len(reach) == 0 {
		return
	}
	from := reach[l.rng.IntN(len(reach))]
	p, err := l.vault.Past(ctx, name, from)
	require.NoError(l.t, err)
	l.built++
	dir := filepath.Join(l.dir, fmt.Sprint(l.built))
	require.NoError(l.t, l.vault.BuildPast(ctx, p, dir, nil))
	next, err := storage.Open(dir, name, l.storeOptions())
	require.NoError(l.t, err)
	l.t.Cleanup(func() { _ = next.Close(ctx) })
	old, tap := l.stores[name], l.ship.Tap(name)
	tap.Begin()
	c, err := next.Stamp(l.issue(), from, old.Ledger().Commits)
	require.NoError(l.t, err)
	l.stores[name] = next
	tap.Swapped(c, next)
	l.done(name, c.Ledger, true)
	require.NoError(l.t, old.Close(ctx))
}

// restart closes all and opens it again; the stores make tables of their memory.
func (l *life) restart() {
	if l.rng.IntN(2) == 0 {
		l.shipAll()
	}
	require.NoError(l.t, l.vault.Close())
	require.NoError(l.t, l.clock.Close())
	for name, s := range l.stores {
		require.NoError(l.t, s.Close(ctx))
		again, err := storage.Open(s.Dir(), name, l.storeOptions())
		require.NoError(l.t, err)
		l.t.Cleanup(func() { _ = again.Close(ctx) })
		l.stores[name] = again
	}
	l.open()
}
