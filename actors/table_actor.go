package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage"
)

// tableActor is one instance of a table's actor; after a panic protoactor makes a
// new one, which opens the store anew.
type tableActor struct {
	*table
	epoch uint64
	store *storage.Store // nil unless it serves

	current  tableMsg    // being handled, for answering it after a panic
	pending  []*applyMsg // gathered, in order of arrival
	ticking  bool
	inflight *committedMsg   // of the commit under way; nil: there is none
	known    storage.Version // the newest cut pinned or excused
	held     time.Time       // since when commits wait for a flush; zero: they don't
	flushes  []*flushMsg
	exchange *exchangeMsg
	swapping *exchangeMsg // under way; nil: there is none
	stopping bool
	ill      *quarantineMsg // damage was found in the store; nil: none

	reopen  interface{ Stop() bool }
	settle  interface{ Stop() bool }
	due     interface{ Stop() bool }
	nextDue time.Time
}

func newTableActor(t *table) *tableActor { return &tableActor{table: t, epoch: t.epoch.Add(1)} }

// Receive implements actor.Actor.
func (a *tableActor) Receive(c actor.Context) {
	if a.cfg.Probe != nil {
		a.probe(c)
		return
	}
	a.receive(c)
}

func (a *tableActor) receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.start(c)
	case *actor.Restarting:
		a.crashed()
	case *actor.Stopping:
	case *actor.Stopped:
		a.end()
	case tableMsg:
		a.current = m
		a.handle(c, m)
		a.current = nil
	default:
		a.log.Error("table actor got an unknown message", "type", fmt.Sprintf("%T", m))
	}
}

func (a *tableActor) handle(c actor.Context, m tableMsg) {
	switch m := m.(type) {
	case *applyMsg:
		a.apply(m)
	case *tickMsg:
		if m.epoch == a.epoch {
			a.ticking = false
			a.next()
		}
	case *committedMsg:
		a.committed(m)
	case *flushMsg:
		m.arrived = a.cfg.Wall.Now()
		a.flushes = append(a.flushes, m)
	case *excuseMsg:
		a.known = max(a.known, m.cut)
		a.held = time.Time{}
	case *openedMsg:
		a.openDone(m)
	case *reopenMsg:
		if m.epoch == a.epoch && a.store == nil && a.status.Load().State != Closed {
			a.open()
		}
	case *dueMsg:
		a.lookForDue(m)
	case *foundDueMsg:
		a.foundDue(m)
	case *exchangeMsg:
		a.exchange = m
	case *exchangedMsg:
		a.exchangeDone(m)
	case *quarantineMsg:
		if m.store == a.store {
			a.ill = m
		}
	case *stopMsg:
		a.stopping = true
	}
	a.next()
	a.stopWhenIdle(c)
}

func (a *tableActor) stopWhenIdle(c actor.Context) {
	if a.stopping && a.idle() {
		c.Stop(c.Self())
	}
}

func (a *tableActor) idle() bool {
	return a.inflight == nil && a.swapping == nil && (len(a.pending) == 0 || a.store == nil)
}

// next does what may be done now, in the order of its urgency: pins, then an
// exchange of the store, then a commit.
func (a *tableActor) next() {
	if a.inflight != nil || a.swapping != nil {
		return
	}
	if a.status.Load().State == Opening {
		return
	}
	if a.ill != nil {
		a.quarantine()
	}
	a.pinAll()
	if a.held.IsZero() && a.exchange != nil {
		a.beginExchange()
		return
	}
	if a.held.IsZero() && !a.ticking && a.store != nil && len(a.pending) > 0 {
		a.commitGroup()
	}
}

// pinAll answers the flushes. No commit is in flight, and none starts before the
// pin is made, so the store's ledger is that of the cut.
func (a *tableActor) pinAll() {
	for _, f := range a.flushes {
		began := f.arrived // the wait for a commit in flight counts
		if !a.held.IsZero() && a.held.Before(began) {
			began = a.held
		}
		p, err := a.pin(f.cut, f.run)
		p.pause = a.cfg.Wall.Since(began)
		a.known = max(a.known, f.cut)
		a.held = time.Time{}
		if f.claimed.CompareAndSwap(false, true) {
			f.reply.give(p, err)
		} else if err == nil {
			p.lease.Release()
		}
	}
	a.flushes = nil
}

func (a *tableActor) pin(cut storage.Version, run string) (pinned, error) {
	if a.store == nil {
		return pinned{}, a.unavailable()
	}
	l, err := a.store.Pin(cut)
	if err != nil {
		return pinned{}, err
	}
	img, err := l.Image(context.Background()) // a millisecond; nothing is committed meanwhile
	if isDamage(err) {
		l.Release()
		a.damaged(a.store, err)
		return pinned{}, err
	}
	if err != nil {
		a.log.Warn("the files of the table cannot be pinned; its records are copied", "run", run, "err", err)
	}
	return pinned{lease: l, image: img, store: a.store}, nil
}

// crashed runs on the instance that panicked: it answers everybody and lets go of
// the store. What is queued in the mailbox goes to the next instance.
func (a *tableActor) crashed() {
	a.crashes.Add(1)
	a.stopTimers()
	err := &UnavailableError{Table: a.conf.Name, Err: errCrashed}
	a.setStatus(Opening, errCrashed)
	switch m := a.current.(type) {
	case *applyMsg:
		if !m.taken.Load() { // else its commit answers: it may be written
			a.refuse(m, err)
		}
	case *committedMsg:
		a.answerGroup(m, nil)
	case *flushMsg:
		m.reply.give(pinned{}, err)
	case *exchangeMsg:
		m.reply.give(exchanged{}, err)
	case *exchangedMsg:
		a.strayExchange(m)
	case *openedMsg:
		if m.store != nil && m.store != a.store {
			a.closeBehind(m.store) // the next open needs Badger's lock
		}
	}
	a.refuseAll(err)
	a.letGo()
}

// refuseAll answers everybody who waits with the error.
func (a *tableActor) refuseAll(err error) {
	a.refuseWork(err)
	if a.exchange != nil {
		a.exchange.reply.give(exchanged{}, err)
	}
	a.exchange = nil
}

// refuseWork is refuseAll but for an exchange, which needs no store that serves.
func (a *tableActor) refuseWork(err error) {
	for _, m := range a.pending {
		a.refuse(m, err)
	}
	for _, f := range a.flushes {
		f.reply.give(pinned{}, err)
		a.known = max(a.known, f.cut)
	}
	a.pending, a.flushes = nil, nil
}

// letGo closes the store behind the actor. The next open waits for Badger's lock.
func (a *tableActor) letGo() {
	s := a.store
	a.table.store.Store(nil)
	a.tap.Serve(nil)
	a.store = nil
	if s != nil {
		a.closeBehind(s)
	}
}

// closeBehind closes a store that is no longer the table's; its readers are ended.
func (t *table) closeBehind(s *storage.Store) {
	t.closers.Add()
	go func() {
		defer t.closers.Done()
		if err := s.Close(context.Background()); err != nil {
			t.log.Error("a store did not close well", "dir", s.Dir(), "err", err)
		}
	}()
}

// awaitClosers waits for stores that were let go.
func (t *table) awaitClosers() error {
	timer := t.cfg.Wall.NewTimer(closesWithin)
	defer timer.Stop()
	select {
	case <-t.closers.ended():
		return nil
	case <-timer.Chan():
		return fmt.Errorf("table %s: %w: its store failed and does not close, as on a disk that is gone; it is opened again when that has ended, or by a restart", t.conf.Name, storage.ErrUnavailable)
	}
}

// retire closes a store that was replaced, when its readers are done, and then
// calls after. The table's end does not wait for the readers: it ends them.
func (t *table) retire(s *storage.Store, after func() error) {
	t.retired.Store(s, struct{}{})
	t.retiring.Add(1)
	go func() {
		defer t.retiring.Done()
		err := s.Retire(context.Background())
		t.retired.Delete(s)
		if err = errors.Join(err, after()); err != nil {
			t.log.Error("a replaced store did not close well", "dir", s.Dir(), "err", err)
		}
	}()
}

// end runs when the actor has stopped.
func (a *tableActor) end() {
	a.stopTimers()
	a.setStatus(Closed, storage.ErrClosed)
	a.refuseAll(&UnavailableError{Table: a.conf.Name, Err: storage.ErrClosed})
	a.letGo()
	a.opened.Do(func() { close(a.ready) })
	close(a.stopped)
}

func (a *tableActor) stopTimers() {
	for _, t := range []interface{ Stop() bool }{a.reopen, a.settle, a.due} {
		if t != nil {
			t.Stop()
		}
	}
}
