package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
)

// HealPolicy says what a hub does by itself about a table whose store is damaged. It
// is quarantined in any case: it stops serving until it was restored.
type HealPolicy string

// The policies.
const (
	// HealAuto rebuilds the table from the vault, up to its last commit.
	HealAuto HealPolicy = "auto"
	// HealOff leaves the table down until a person restores it.
	HealOff HealPolicy = "off"
	// HealEmpty is HealAuto, and lets the table start empty where the vault has nothing
	// to rebuild it from. The damaged store is kept, and the table is [Degraded] until it
	// is restored, or somebody backs it up (not the schedule), and so says that he knows.
	HealEmpty HealPolicy = "empty"
)

func (p HealPolicy) check() error {
	if p == "" || slices.Contains([]HealPolicy{HealAuto, HealOff, HealEmpty}, p) {
		return nil
	}
	return fmt.Errorf("%w configuration: heal is %s, %s or %s, not %.40q", ErrInvalid, HealAuto, HealOff, HealEmpty, p)
}

const (
	healFirst = time.Second // between attempts that fail for a reason that may pass
	healMost  = time.Minute
	// A table that was healed as often within this time is not healed again by itself.
	healWithin = time.Hour
	healTimes  = 2
)

// healer rebuilds quarantined tables, one after another, on a goroutine of its own.
type healer struct {
	h    *Hub
	wake chan struct{}

	mu    sync.Mutex
	notes healNotes
	sick  map[string]*patient
}

// patient is a table that was quarantined.
type patient struct {
	next  time.Time // when to look at it; zero: at once
	tries int
	done  bool   // nothing more is done by itself
	says  string // what becomes of it, for health
}

func newHealer(h *Hub) *healer {
	return &healer{h: h, wake: make(chan struct{}, 1), sick: map[string]*patient{}}
}

// damaged is told of every quarantine, before and while the healer runs.
func (x *healer) damaged(table string, q actors.Quarantine) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.notes.Tables[table]
	again := n != nil && n.Damaged != nil && n.Damaged.Store == q.Store
	if !again {
		_ = x.note(table, func(n *tableNotes) { n.Damaged = x.noteDamage(q) })
	}
	if !again || x.sick[table] == nil {
		x.sick[table] = &patient{}
	}
	x.poke()
}

func (x *healer) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// start begins to heal, unless the hub is offline: a command on the directories does
// what it is asked, and nothing else.
func (x *healer) start() {
	ctx, done, err := x.h.begin(x.h.life)
	if err != nil {
		return
	}
	if x.h.cfg.Offline {
		done()
		return
	}
	go func() {
		defer done()
		x.announceSwapped()
		x.run(ctx)
	}()
}

func (x *healer) run(ctx context.Context) {
	for ctx.Err() == nil {
		var due <-chan time.Time
		stop := func() bool { return false }
		if table, wait, ok := x.pick(); ok && wait <= 0 {
			x.heal(ctx, table)
			continue
		} else if ok {
			timer := x.h.cfg.Wall.NewTimer(wait)
			due, stop = timer.Chan(), timer.Stop
		}
		select {
		case <-ctx.Done():
		case <-x.wake:
		case <-due:
		}
		stop()
	}
}

// pick returns the table whose turn is next, and how long it has to wait.
func (x *healer) pick() (table string, wait time.Duration, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, p := range x.sick {
		if p.done {
			continue
		}
		in := p.next.Sub(x.h.cfg.Wall.Now())
		if p.next.IsZero() {
			in = 0
		}
		if !ok || in < wait || in == wait && name < table {
			table, wait, ok = name, in, true
		}
	}
	return table, wait, ok
}

// heal looks at one table once.
func (x *healer) heal(ctx context.Context, table string) {
	ref, err := x.h.group.Table(table)
	if err != nil {
		x.over(table, "")
		return
	}
	q, is := ref.Quarantine()
	q.Store = cmp.Or(q.Store, filepath.Join(x.h.path(tablesDir), table))
	switch {
	case !is:
		x.over(table, "") // a person was faster
		x.announceSwapped()
	case x.h.cfg.Heal == HealOff:
		x.over(table, "healing is off; restore it: brock restore "+table+" --at latest")
	case x.stopped(table):
		x.fail(table, fmt.Errorf("recovered twice within an hour; a person must look: find out what damages it, then brock restore %s --at latest", table))
	default:
		x.say(table, "it is being rebuilt from the vault")
		x.treat(ctx, ref, q)
	}
}

// treat rebuilds the table, and does what follows from how that went.
func (x *healer) treat(ctx context.Context, ref *actors.TableRef, q actors.Quarantine) {
	name := ref.Name()
	err := x.rebuild(ctx, ref, q)
	var nothing *nothingError
	if errors.As(err, &nothing) && x.h.cfg.Heal == HealEmpty && !errors.Is(nothing.err, errLess) {
		err = x.startEmpty(ctx, ref, q, nothing)
	}
	switch {
	case err == nil, errors.Is(err, actors.ErrHealed):
		x.over(name, "")
	case ctx.Err() != nil:
	case errors.As(err, &nothing):
		x.fail(name, nothing)
	default:
		x.later(name, err)
	}
}

// over ends the healing of a table; says is what health adds while it is down.
func (x *healer) over(table, says string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.sick[table]; p != nil && says != "" {
		p.done, p.says = true, says
		return
	}
	delete(x.sick, table)
}

// later tries again, after a while that grows.
func (x *healer) later(table string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.sick[table]
	if p == nil {
		return
	}
	wait := healMost
	if p.tries < 6 {
		wait = min(healFirst<<p.tries, healMost)
	}
	if p.tries++; p.tries == 1 {
		x.h.log.Error("a damaged table cannot be healed now; it is tried again", "table", table, "err", err)
	}
	p.next = x.h.cfg.Wall.Now().Add(wait)
	p.says = "it will be rebuilt as soon as that can be done: " + err.Error()
}

// fail says that the table stays down.
func (x *healer) fail(table string, err error) {
	x.h.log.Error("a damaged table is not healed", "table", table, "err", err)
	x.over(table, err.Error())
	x.h.announceRestore(RestoredTable{Table: table, Status: StatusFailed, Error: err.Error()}, triggerAuto)
}

func (x *healer) say(table, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.sick[table]; p != nil {
		p.says = text
	}
}

// outlook is what becomes of a quarantined table, "" where nothing is known.
func (x *healer) outlook(table string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.sick[table]; p != nil {
		return p.says
	}
	return ""
}
