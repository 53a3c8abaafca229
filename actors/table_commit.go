package actors

import (
	"errors"
	"time"

	"github.com/brockdb/brock/storage"
)

// apply takes a batch in. The first one makes the actor send itself a tick; the
// mailbox puts the tick behind all that is queued, so a commit gathers without a
// timer all that waits.
func (a *tableActor) apply(m *applyMsg) {
	if a.ill != nil || a.store == nil && a.status.Load().State != Opening {
		a.refuse(m, a.unavailable())
		return
	}
	a.pending = append(a.pending, m)
	if a.ticking || a.inflight != nil || a.swapping != nil || a.store == nil {
		return
	}
	if a.waiting.Load() == int64(len(a.pending)) {
		return // nobody else is on the way: the caller of apply commits at once
	}
	a.ticking = true
	a.send(&tickMsg{a.epoch})
}

// refuse answers a batch that was not written.
func (t *table) refuse(m *applyMsg, err error) { t.done(m, 0, err) }

// done answers a batch; where a crash makes two places answer, the first counts.
func (t *table) done(m *applyMsg, v storage.Version, err error) {
	if m.done.Swap(true) {
		return
	}
	t.waiting.Add(-1)
	t.bytes.Add(-m.size)
	m.reply.give(v, err)
}

// commitGroup starts the commit of as many batches as one transaction may hold.
func (a *tableActor) commitGroup() {
	group := a.gather()
	if len(group) == 0 {
		return
	}
	m := &committedMsg{epoch: a.epoch, group: group}
	a.inflight = m
	store, known := a.store, a.known
	for _, g := range group {
		g.taken.Store(true)
	}
	a.work.Add(1)
	a.commits.Schedule(func() {
		defer a.work.Done()
		began := time.Since(epoch)
		a.tap.Begin()
		if m.version, m.err = a.cfg.Clock.Next(known); m.err == nil {
			batches := make([]storage.Batch, len(group))
			for i, g := range group {
				batches[i] = g.batch
			}
			m.out, m.err = store.Commit(m.version, batches)
		}
		if errors.Is(m.err, storage.ErrUnknownOutcome) {
			a.tap.Unknown()
		} else {
			a.tap.End(storage.Commit{Ledger: m.out.Ledger, Changes: m.out.Changes})
		}
		a.table.tell(m, began)
		if !errors.Is(m.err, storage.ErrCutPending) {
			a.table.answerGroup(m, store) // here, so that callers need not wait for the mailbox
		}
		a.send(m)
	})
}

// epoch is what commits are timed against: time.Since reads one clock, time.Now two.
var epoch = time.Now()

// tell passes on what a commit took, by the machine's clock. Where nothing was written
// there was none.
func (t *table) tell(m *committedMsg, began time.Duration) {
	if t.conf.Committed == nil || errors.Is(m.err, storage.ErrCutPending) || m.err == nil && len(m.out.Changes) == 0 {
		return
	}
	writes := len(m.group)
	for _, err := range m.out.Each {
		if err != nil {
			writes--
		}
	}
	t.conf.Committed(time.Since(epoch)-began, writes, m.err)
}

// gather takes the next group from the pending batches. A key is written once a
// commit; a batch that has to wait for the next one makes later batches wait that
// share a key with it, so writes of a key keep their order.
func (a *tableActor) gather() []*applyMsg {
	var group, rest []*applyMsg
	var cost storage.Cost
	single := len(a.pending) == 1
	var taken map[string]struct{}
	if !single {
		taken = make(map[string]struct{}, len(a.pending))
	}
	for _, m := range a.pending {
		if err := m.ctx.Err(); err != nil {
			a.refuse(m, err) // nobody waits any more, and nothing was written
			continue
		}
		free := single || claim(taken, m.batch)
		if sum := cost.Add(m.cost); free && sum.Fits() {
			cost, group = sum, append(group, m)
		} else {
			rest = append(rest, m)
		}
	}
	a.pending = rest
	return group
}

// claim enters the batch's keys and says whether all of them were free.
func claim(taken map[string]struct{}, b storage.Batch) bool {
	free := true
	for i := range b {
		if _, is := taken[string(b[i].Key)]; is {
			free = false
			break
		}
	}
	for i := range b {
		taken[string(b[i].Key)] = struct{}{}
	}
	return free
}

// committed takes the outcome of a commit.
func (a *tableActor) committed(m *committedMsg) {
	if m.epoch != a.epoch { // of an instance before a crash; its callers may still wait
		a.answerGroup(m, nil)
		return
	}
	if m != a.inflight {
		return // a second time
	}
	a.inflight = nil
	if errors.Is(m.err, storage.ErrCutPending) {
		a.pending = append(m.group, a.pending...)
		a.hold()
		return
	}
	for i, g := range m.group {
		if m.err == nil && (i >= len(m.out.Each) || m.out.Each[i] == nil) {
			a.expectDue(g.batch)
		}
	}
	if errors.Is(m.err, storage.ErrUnknownOutcome) {
		a.log.Error("a commit failed; the table is opened again to see what was written", "err", m.err)
		a.letGo()
		a.open()
	}
}

// hold makes commits wait for the flush or excuse of a cut that is published, unless
// that came while the commit was under way.
func (a *tableActor) hold() {
	if a.cfg.Clock.Cut() > a.known {
		a.held = a.cfg.Wall.Now()
	}
}

// answerGroup tells every caller of the group what became of its batch.
func (t *table) answerGroup(m *committedMsg, s *storage.Store) {
	for i, g := range m.group {
		err := m.err
		if err == nil && i < len(m.out.Each) {
			err = m.out.Each[i]
		}
		if errors.Is(err, storage.ErrCutPending) {
			err = &UnavailableError{Table: t.conf.Name, Err: errCrashed}
		}
		if isDamage(err) {
			t.damaged(s, err)
		}
		v := m.version
		if err != nil {
			v = 0
		}
		t.done(g, v, err)
	}
}
