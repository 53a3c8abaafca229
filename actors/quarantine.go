package actors

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
)

// Quarantine is why a table does not serve, and what is known of its end.
type Quarantine struct {
	Store string          // its folder; "" where it is the table's marker that is damaged
	Err   error           // matches storage.ErrDamaged
	Known storage.Ledger  // as of the last commit of which there is an account
	Seen  storage.Version // the last that is known to have been acknowledged; it may lie above Known's

	told bool // the event has gone out
}

// reason is the cause in the errors of callers.
func (q *Quarantine) reason() error { return &quarantined{q.Err} }

// quarantined is a damage whose table serves no more.
type quarantined struct{ damage error }

func (e *quarantined) Error() string {
	text := e.damage.Error()
	var d *storage.DamageError
	if errors.As(e.damage, &d) {
		text = strings.TrimPrefix(text, "table "+d.Table+" is ")
	}
	return ErrQuarantined.Error() + ", it is " + strings.TrimSuffix(text, "; restore the table")
}

func (e *quarantined) Unwrap() []error { return []error{ErrQuarantined, e.damage} }

// Quarantine returns why the table is quarantined; ok is false where it is not.
func (r *TableRef) Quarantine() (q Quarantine, ok bool) {
	p := r.t.sick.Load()
	if p == nil || r.t.store.Load() != nil || r.t.status.Load().State != Unavailable {
		return Quarantine{}, false
	}
	return *p, true
}

// damaged quarantines the table whose store is s: from here on nobody gets anything
// from it. The actor does the rest. Damage of a store that was replaced, and damage
// that is found a second time, changes nothing. It does not block.
func (t *table) damaged(s *storage.Store, err error) {
	if s == nil || t.store.Load() != s {
		return
	}
	q := &Quarantine{Store: s.Dir(), Err: err}
	t.sick.Store(q)
	if t.store.CompareAndSwap(s, nil) {
		t.send(&quarantineMsg{store: s, why: q})
	}
}

// isDamage says whether an error means that stored bytes are not what was written.
// Others, of the disk, of time or of a close, never make a table be rebuilt.
func isDamage(err error) bool { return errors.Is(err, storage.ErrDamaged) }

// isDamageOf says whether an error means damage of the store s, and not of what it is
// copied into.
func isDamageOf(s *storage.Store, err error) bool {
	var d *storage.DamageError
	if !errors.As(err, &d) {
		return false
	}
	return d.File == "" || d.File == s.Dir() || strings.HasPrefix(d.File, s.Dir()+string(filepath.Separator))
}

// quarantine takes the store out of service, as soon as no commit and no exchange is
// under way. Then its ledger is the last one.
func (a *tableActor) quarantine() {
	m := a.ill
	a.ill = nil
	if a.store != m.store {
		return // replaced meanwhile
	}
	last := m.store.Ledger()
	a.table.store.Store(nil)
	a.tap.Serve(nil)
	a.store = nil
	a.isolate(&Quarantine{Store: m.why.Store, Err: m.why.Err, Known: last, Seen: last.Version}, false, m.store)
}

// isolate makes the table unavailable for its damage, and lets it be known. A damaged
// store is closed: what is left of it is evidence, and Badger's work on it could end
// the process.
func (a *tableActor) isolate(q *Quarantine, told bool, s *storage.Store) {
	q.told = true
	a.sick.Store(q)
	a.setStatus(Unavailable, q.reason())
	for _, m := range a.pending {
		a.refuse(m, a.unavailable())
	}
	a.pending = nil
	a.pinAll() // who waits for a pin is told
	t := a.table
	t.closers.Add()
	go func() {
		defer t.closers.Done()
		if !told {
			t.log.Error("damage found; the table is quarantined", "store", q.Store, "err", q.Err)
			t.cfg.Publish(bus.CorruptionDetected, damageDetail(t.conf.Name, q.Err))
		}
		if s != nil {
			t.tap.Salvage(context.Background(), s)
		}
		if t.cfg.Damaged != nil {
			t.cfg.Damaged(t.conf.Name, *q)
		}
		if s == nil {
			return
		}
		if err := s.Close(context.Background()); err != nil {
			t.log.Warn("a damaged store did not close well", "store", s.Dir(), "err", err)
		}
	}()
}

// cannotServe quarantines a table whose store does not open for damage.
func (a *tableActor) cannotServe(m *openedMsg) {
	q := a.sick.Load()
	if q == nil || q.Store != m.dir {
		q = &Quarantine{Store: m.dir, Err: m.err}
	}
	told := q.told
	q = &Quarantine{Store: q.Store, Err: q.Err, Known: q.Known, Seen: max(q.Seen, m.seen)}
	for _, l := range []storage.Ledger{a.tap.Shipped(), m.ends} {
		if l.Commits > q.Known.Commits {
			q.Known = l
		}
	}
	q.Seen = max(q.Seen, q.Known.Version)
	a.isolate(q, told, nil)
}
