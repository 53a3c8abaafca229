package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage"
)

const (
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 30 * time.Second
	dueBatch    = 1000
)

// start opens the store, after a delay that grows with each crash in a row.
func (a *tableActor) start(c actor.Context) {
	if a.stopping = a.stopAsked.Load(); a.stopping {
		a.setStatus(Unavailable, storage.ErrClosed)
		a.stopWhenIdle(c)
		return
	}
	// It takes part in no cut so far, so none may hold back a restore that comes
	// before it has a store. Later cuts reach it as a flush or an excuse.
	a.known = a.cfg.Clock.Cut()
	if n := a.crashes.Load(); n > 0 {
		a.setStatus(Unavailable, errCrashed)
		a.opened.Do(func() { close(a.ready) })
		a.retryIn(n)
		return
	}
	a.open()
}

func (a *tableActor) retryIn(n int32) {
	delay := reopenMost
	if n < 10 {
		delay = min(reopenFirst<<(n-1), reopenMost)
	}
	a.log.Warn("the table is opened again later", "in", delay)
	a.reopen = a.after(delay, &reopenMsg{a.epoch})
}

// open opens the store on a goroutine; openDone takes it.
func (a *tableActor) open() {
	a.setStatus(Opening, a.status.Load().Err)
	epoch := a.epoch
	a.spawn(func() {
		m := &openedMsg{epoch: epoch}
		if m.store, m.err = a.openStore(m); m.err == nil {
			a.last.Store(m.store)
		}
		a.send(m)
	})
}

// openStore opens the table's store; what it learns of one that does not open it notes.
func (t *table) openStore(note *openedMsg) (s *storage.Store, err error) {
	if err := t.awaitClosers(); err != nil {
		return nil, err
	}
	if err := t.awaitTurn(); err != nil {
		return nil, err
	}
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	defer func() { t.endOpening(err) }()
	s, err = t.openCurrent(t.cfg.Store)
	if err == nil || errors.Is(err, storage.ErrTailLost) {
		s, err = t.refill(s, err, note)
	}
	if isDamage(err) && t.dir != nil {
		note.dir = t.dir.Current()
		note.seen = storage.LastSeen(note.dir)
	}
	if errors.Is(err, storage.ErrLost) && t.conf.Create {
		t.dir, s, err = storage.CreateTableDir(t.cfg.FS, t.conf.Dir, t.conf.Name, t.cfg.Store)
		if err == nil {
			err = t.beginAnew(s)
		}
		if err != nil && s != nil {
			err, s = errors.Join(err, s.Close(context.Background())), nil
		}
	}
	if err == nil {
		t.conf.Create = false // from now on a missing store is a lost one
	}
	return s, err
}

// beginAnew tells the change log that a table with a past starts empty.
func (t *table) beginAnew(s *storage.Store) error {
	past := t.tap.Shipped()
	if past.Commits == 0 {
		return nil
	}
	return t.stamp(s, 0, past.Commits)
}

// stamp commits that the table is as it was at version from, outside of the actor:
// nobody else has the store yet.
func (t *table) stamp(s *storage.Store, from storage.Version, commits uint64) error {
	t.tap.Begin()
	v, err := t.cfg.Clock.Next(storage.MaxVersion)
	var c storage.Commit
	if err == nil {
		c, err = s.Stamp(v, from, commits)
	}
	if err != nil {
		c = storage.Commit{}
	}
	t.tap.End(c)
	return err
}

func (t *table) openCurrent(opts storage.Options) (*storage.Store, error) {
	if t.dir == nil {
		d, err := storage.OpenTableDir(t.cfg.FS, t.conf.Dir, t.conf.Name)
		if err != nil {
			return nil, err
		}
		t.dir = d
	}
	if q := t.sick.Load(); q != nil && q.Store == t.dir.Current() {
		return nil, q.Err
	}
	opts, err := t.beginOpening(opts)
	if err != nil {
		return nil, err
	}
	return t.dir.Open(opts)
}

func (a *tableActor) openDone(m *openedMsg) {
	if m.epoch != a.epoch || a.store != nil || a.stopping {
		if m.store != nil && m.store != a.store {
			a.closeBehind(m.store)
		}
		return
	}
	defer a.opened.Do(func() { close(a.ready) })
	if m.err != nil {
		a.cannotOpen(m)
		return
	}
	a.serve(m.store)
}

// cannotOpen makes the table unavailable. What may pass by itself is tried again.
func (a *tableActor) cannotOpen(m *openedMsg) {
	err := m.err
	a.setStatus(Unavailable, err)
	a.log.Error("the table cannot be opened", "err", err)
	if isDamage(err) {
		a.cannotServe(m)
		return
	}
	a.refuseWork(a.unavailable())
	if !errors.Is(err, storage.ErrLost) {
		a.retryIn(a.crashes.Add(1))
	}
}

// serve makes the store the table.
func (a *tableActor) serve(s *storage.Store) {
	a.cfg.Clock.Observe(s.Ledger().Version)
	a.known = max(a.known, a.cfg.Clock.Cut())
	a.store, a.ill = s, nil
	a.sick.Store(nil)
	a.table.store.Store(s)
	a.tap.Serve(s)
	a.crashes.Store(0)
	a.setStatus(Serving, nil)
	a.send(&dueMsg{a.epoch})
	if a.settle != nil {
		a.settle.Stop()
	}
	a.settle = a.cfg.Wall.AfterFunc(settleAfter, a.settled)
	if len(a.pending) > 0 && !a.ticking {
		a.ticking = true
		a.send(&tickMsg{a.epoch})
	}
}

// lookForDue searches for expired records on a goroutine.
func (a *tableActor) lookForDue(m *dueMsg) {
	if m.epoch != a.epoch || a.store == nil || a.stopping {
		return
	}
	a.nextDue = time.Time{} // commits that follow set it anew
	s, epoch := a.store, a.epoch
	a.spawn(func() {
		b, next, err := s.Due(dueBatch)
		a.send(&foundDueMsg{epoch: epoch, batch: b, next: next, err: err})
	})
}

// foundDue removes what is due by an ordinary write, and looks again later.
func (a *tableActor) foundDue(m *foundDueMsg) {
	if m.epoch != a.epoch || a.store == nil || a.stopping {
		return
	}
	if m.err != nil {
		a.log.Warn("expired records could not be looked for", "err", m.err)
		if isDamage(m.err) {
			a.damaged(a.store, m.err)
		}
		m.next = a.cfg.Wall.Now().Add(time.Minute)
	}
	if len(m.batch) > 0 {
		if cost, err := m.batch.Check(); err == nil {
			a.waiting.Add(1)
			a.apply(&applyMsg{ctx: context.Background(), batch: m.batch, cost: cost, reply: newReply[storage.Version]()})
		}
	}
	a.dueAt(m.next)
}

// expectDue takes note of when committed records expire.
func (a *tableActor) expectDue(b storage.Batch) {
	for i := range b {
		if !b[i].Delete {
			a.dueAt(b[i].ExpiresAt)
		}
	}
}

// dueAt makes the table look for expired records at that time, if it would not do
// so before.
func (a *tableActor) dueAt(at time.Time) {
	if !at.IsZero() && (a.nextDue.IsZero() || at.Before(a.nextDue)) {
		a.armDue(at)
	}
}

func (a *tableActor) armDue(at time.Time) {
	if a.due != nil {
		a.due.Stop()
	}
	a.nextDue = at
	a.due = a.after(max(at.Sub(a.cfg.Wall.Now()), 10*time.Millisecond), &dueMsg{a.epoch})
}
