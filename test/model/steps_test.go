package model

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// step is something that happens in a life.
type step struct {
	name   string
	often  int
	do     func(*world)
	always bool // also while the vault is away
}

var all = []step{
	{"write", 20, func(w *world) { w.write(w.any(), 1+w.rng.IntN(25)) }, true},
	{"fill", 4, func(w *world) { w.fill(w.any()) }, true},
	{"backup", 8, (*world).backup, true},
	{"compact", 6, (*world).compact, true},
	{"restart", 6, (*world).restart, true},
	{"restore", 10, (*world).restore, true},
	{"advance", 8, func(w *world) { w.advance(time.Duration(w.rng.IntN(100)) * time.Second) }, true},
	{"jump ahead", 3, func(w *world) { w.jump(time.Duration(w.rng.IntN(120)) * time.Minute) }, true},
	{"jump back", 3, func(w *world) { w.jump(-time.Duration(w.rng.IntN(240)) * time.Minute) }, true},
	{"crash", 5, (*world).crash, true},
	{"vault away", 4, (*world).leave, false},
	{"vault back", 25, (*world).comeBack, true},
	{"moments", 12, func(w *world) { w.moments(3) }, false},
	{"list", 5, (*world).listed, false},
	{"verify and drill", 3, (*world).sound, false},
	{"slip of the log", 4, (*world).slipLog, false},
	{"slip of a swap", 4, (*world).slipSwap, false},
	{"restore all", 3, (*world).restoreAll, false},
	{"kill", 2, (*world).kill, false},
	{"kill and lose the data", 2, (*world).killAndLose, false},
	{"go on elsewhere", 2, (*world).elsewhere, false},
	{"lose the data", 2, (*world).lose, false},
	{"damage a store", 3, (*world).damage, false},
	{"fresh", 2, (*world).fresh, false},
	{"copy the vault", 2, (*world).copyVault, false},
	{"put the vault back", 3, (*world).putBack, false},
}

func (w *world) step() {
	sum := 0
	for _, s := range all {
		sum += s.often
	}
	for {
		n := w.rng.IntN(sum)
		i := 0
		for ; n >= all[i].often; i++ {
			n -= all[i].often
		}
		s := all[i]
		if w.away != nil && !s.always || w.away == nil && s.name == "vault back" || w.aside == "" && s.name == "put the vault back" {
			continue
		}
		w.note("%s", s.name)
		s.do(w)
		w.live()
		return
	}
}

// restart may find the vault back: it does not start without.
func (w *world) restart() {
	w.h.Stop()
	if w.away == nil {
		w.h.Start()
		return
	}
	w.note("vault back")
	w.lift()
	w.h.Start()
	w.closeBreaks()
}

func (w *world) backup() {
	names := tables
	if w.rng.IntN(3) == 0 {
		names = []string{w.any()}
	}
	var run app.Run
	var err error
	back := func() { run, err = w.hub().Backup(w.ctx(), names...) }
	if w.rng.IntN(3) == 0 {
		w.together(back, tables...)
	} else {
		back()
	}
	if w.away != nil && err != nil {
		return
	}
	require.NoError(w.t, err)
	w.saw(run.Cut)
	if w.away == nil {
		w.sure(run.Cut, names)
	}
}

func (w *world) compact() {
	name := w.any()
	var err error
	do := func() { _, err = w.hub().Compact(w.ctx(), name) }
	if w.rng.IntN(2) == 0 {
		w.together(do, name)
	} else {
		do()
	}
	require.True(w.t, err == nil || waits(err), "%v", err)
}

// waits says that a compaction waits for the change log.
func waits(err error) bool {
	return err != nil && strings.Contains(err.Error(), "compaction waits for the change log")
}

// restore takes a table to a moment or a snapshot.
func (w *world) restore() {
	name := w.any()
	req := app.RestoreRequest{Tables: []string{name}}
	vs := w.past[name].versions()
	switch p := w.rng.IntN(8); {
	case p < 4 && len(vs) > 0:
		req.At = number(vs[w.rng.IntN(len(vs))])
	case p < 5:
		req.At = app.Latest
	default:
		list, err := w.hub().List(w.ctx(), name)
		require.NoError(w.t, err)
		if len(list.Snapshots) == 0 {
			return
		}
		req.Snapshot = list.Snapshots[w.rng.IntN(len(list.Snapshots))].Name
	}
	if w.away != nil {
		w.doubt(name, w.logged()[name])
	}
	out, err := w.hub().Restore(w.ctx(), req)
	if err != nil {
		gone := req.Snapshot != "" && w.removed(app.Snapshot{Table: name, Name: req.Snapshot}) // by a backup that closed a break
		require.True(w.t, notRestorable(err) || gone || w.away != nil, "%+v: %v", req, err)
		return
	}
	w.note("%s%s of %s to %d", req.At, req.Snapshot, name, out.Results[0].Version)
	w.restoredTo(name, out.Results[0].Version)
	w.write(name, 1) // after which it is known between which versions the restore was
}

// restoredTo says that a table is now what it was at the version.
func (w *world) restoredTo(name string, v app.Version) {
	found, err := collect(w.table(name).Scan(w.ctx(), app.Range{}))
	require.NoError(w.t, err)
	h := w.past[name]
	early, late := w.present()
	may := h.at(v)
	require.Empty(w.t, differs(may, found, early, late), "table %s restored to %d", name, v)
	for _, s := range may {
		if s.differs(found, early, late) == "" {
			h.add(s, 0)
			return
		}
	}
}

// crash makes a table's actor panic around a commit.
func (w *world) crash() {
	name := w.any()
	probe := w.h.TableProbe(name)
	rule := probe.On([]harness.Message{harness.Committed, harness.Apply}[w.rng.IntN(2)]).Nth(1)
	var fault *harness.Fault
	if w.rng.IntN(2) == 0 {
		fault = rule.Panic()
	} else {
		fault = rule.PanicAfter()
	}
	h := w.past[name]
	b := batch(w.rng, w.wall.Now())
	v, err := w.table(name).Apply(w.ctx(), b)
	switch {
	case err == nil:
		w.wrote(name, b, v)
	case errors.Is(err, app.ErrUnavailable):
	default:
		require.NoError(w.t, err)
	}
	fault.Wait()
	fault.Lift()
	w.reopened(name)
	if err != nil {
		w.settle(name, h.now().with(b, 0))
	}
}

// reopened opens a table that crashed again.
func (w *world) reopened(name string) {
	opened := w.h.TableProbe(name).On(harness.Opened).Pass()
	defer opened.Lift()
	w.advance(time.Second)
	opened.Wait()
}

// settle finds out whether a write or restore that was not answered came about.
func (w *world) settle(name string, with state) {
	found, err := collect(w.table(name).Scan(w.ctx(), app.Range{}))
	require.NoError(w.t, err)
	early, late := w.present()
	h := w.past[name]
	if h.now().differs(found, early, late) == "" {
		return
	}
	require.Empty(w.t, with.differs(found, early, late), "table %s, after a write that was not answered", name)
	h.add(with, 0)
}

// leave takes the vault away, or only its change log.
func (w *world) leave() {
	w.since, w.broke = w.logged(), w.h.FS.On(harness.OpRename, "data/changelog.json").Fail(nil)
	if w.rng.IntN(2) == 0 {
		w.away = w.h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
		return
	}
	w.away = lifter(w.h.VaultReadOnly())
}

type lifter func()

func (l lifter) Lift() { l() }

// comeBack brings the vault back.
func (w *world) comeBack() {
	w.lift()
	w.closeBreaks()
}

func (w *world) lift() {
	w.away.Lift()
	w.away = nil
}

// closeBreaks backs all up, and notes a break where the tables had to let go of what was
// not shipped: there is one only then. An attempt to ship that began while the vault was
// away may have ended since.
func (w *world) closeBreaks() {
	run, err := w.hub().Backup(w.ctx())
	require.NoError(w.t, err)
	w.saw(run.Cut)
	if w.broke != nil {
		if w.broke.Lift(); w.broke.Hits() > 0 {
			w.note("broken")
			for _, name := range tables {
				w.doubt(name, w.since[name])
			}
		}
		w.broke = nil
	}
	w.sure(run.Cut, tables)
}
