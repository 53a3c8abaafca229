package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/storage"
)

// beginExchange lets a goroutine bring the next store up to date and swap it in,
// while nothing commits.
func (a *tableActor) beginExchange() {
	m := a.exchange
	a.exchange, a.swapping = nil, m
	old, known, epoch := a.store, a.known, a.epoch
	a.spawn(func() {
		done := &exchangedMsg{epoch: epoch, msg: m}
		done.replaced, done.err = a.swap(m, old, known, epoch)
		a.send(done)
	})
}

// swap makes the next store the table on the disk. It holds the folder, so that no
// newer instance opens the old store meanwhile.
func (t *table) swap(m *exchangeMsg, old *storage.Store, known storage.Version, epoch uint64) (string, error) {
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	if t.epoch.Load() != epoch {
		return "", &UnavailableError{Table: t.conf.Name, Err: errCrashed}
	}
	t.tap.Begin()
	c, err := m.finish(old, known)
	if err == nil && t.epoch.Load() != epoch {
		err = &UnavailableError{Table: t.conf.Name, Err: errCrashed}
	}
	var replaced string
	if err == nil {
		replaced, err = t.dir.Swap(m.why)
	}
	switch {
	case errors.Is(err, storage.ErrUnknownOutcome):
		t.dir = nil // the next open reads what the disk says
		t.tap.Unknown()
	case err != nil:
		t.tap.End(storage.Commit{})
	default:
		t.tap.Swapped(c, m.next)
		t.storeReplaced()
	}
	return replaced, err
}

func (a *tableActor) exchangeDone(m *exchangedMsg) {
	if m.epoch != a.epoch {
		a.strayExchange(m)
		return
	}
	if m.msg != a.swapping {
		return // a second time
	}
	a.swapping = nil
	if errors.Is(m.err, storage.ErrCutPending) {
		a.exchange = m.msg // once more after the pin
		a.hold()
		return
	}
	if errors.Is(m.err, storage.ErrUnknownOutcome) {
		// Which of the two is the table only the disk knows: neither serves until it was read.
		a.setStatus(Unavailable, m.err)
		a.refuseAll(a.unavailable())
		a.letGo()
		m.msg.reply.give(exchanged{}, m.err)
		a.retryIn(a.crashes.Add(1))
		return
	}
	if m.err != nil {
		m.msg.reply.give(exchanged{}, m.err)
		return
	}
	old := a.store
	if a.reopen != nil {
		a.reopen.Stop()
	}
	a.serve(m.msg.next)
	m.msg.reply.give(exchanged{old: old, replaced: m.replaced}, nil)
}

// strayExchange is for an exchange whose actor crashed. Where it was swapped in on
// the disk, the next instance finds it there as soon as it is closed here.
func (a *tableActor) strayExchange(m *exchangedMsg) {
	err := m.err
	if err == nil {
		err = &UnavailableError{Table: a.conf.Name, Err: errCrashed}
	}
	m.msg.reply.give(exchanged{}, err)
}

// Replacement says what [TableRef.Restore] did.
type Replacement struct {
	Version     storage.Version // at which the table was swapped
	Records     uint64
	Later       uint64 // commits of the table that the new store does not have
	ReplacedDir string // the replaced store, kept; "" where there was none
	FileBytes   int64
}

// Restore replaces the table's store by one that build makes, and proves, in the
// folder it is given, which does not exist: the table as it was at version from. The table serves meanwhile. Whatever
// fails, it goes on as it was. The replaced store is closed and kept.
func (r *TableRef) Restore(ctx context.Context, from storage.Version, build func(ctx context.Context, dir string) error) (Replacement, error) {
	return r.t.replace(ctx, from, storage.WhyRestore, build, func(*storage.Store) error { return nil })
}

// ErrHealed says that a table is not healed, because it serves, or was restored meanwhile.
var ErrHealed = errors.New("it is not quarantined any more")

// Heal is [TableRef.Restore] of a table that is quarantined. Where it serves again
// before the swap, nothing is replaced, and the error matches [ErrHealed].
func (r *TableRef) Heal(ctx context.Context, from storage.Version, build func(ctx context.Context, dir string) error) (Replacement, error) {
	q := r.t.sick.Load()
	still := func(old *storage.Store) error {
		// An actor that crashes meanwhile finds the same damage, and says so anew.
		if now := r.t.sick.Load(); q == nil || old != nil || now == nil || now.Store != q.Store {
			return fmt.Errorf("table %s: %w", r.Name(), ErrHealed)
		}
		return nil
	}
	out, err := r.t.replace(ctx, from, storage.WhyDamage, build, still)
	if err == nil && out.ReplacedDir == "" {
		out.ReplacedDir = q.Store
	}
	return out, err
}

// replace is a restore. may says, while nothing commits, whether the store may still
// be replaced.
func (t *table) replace(ctx context.Context, from storage.Version, why string, build func(ctx context.Context, dir string) error, may func(old *storage.Store) error) (Replacement, error) {
	var out Replacement
	err := t.maintenance(ctx, func() error {
		if err := may(t.store.Load()); err != nil {
			return err
		}
		t.restoring.Add(1)
		defer t.restoring.Add(-1)
		next, err := t.stage(ctx, true, build)
		if err != nil {
			return err
		}
		base := next.Ledger().Commits
		finish := func(old *storage.Store, known storage.Version) (storage.Commit, error) {
			if err := may(old); err != nil {
				return storage.Commit{}, err
			}
			t.shipTail(old)
			v, err := t.cfg.Clock.Next(known)
			if err != nil {
				return storage.Commit{}, err
			}
			commits := max(base, t.tap.Seen())
			had := commits
			if old != nil {
				commits = old.Ledger().Commits
				had = commits
			} else if q := t.sick.Load(); q != nil { // some of which may be lost for good
				had = max(had, q.Known.Commits)
			}
			out.Version, out.Later = v, had-min(base, had)
			return next.Stamp(v, from, commits)
		}
		if t.cfg.Log != nil { // most of it before commits wait
			_, _ = t.cfg.Log.Ship(ctx) // see shipTail
		}
		done, err := t.exchangeFor(ctx, next, why, finish)
		if err != nil {
			return err
		}
		out.Records, out.ReplacedDir = next.Ledger().Records, done.replaced
		if done.old != nil {
			t.retire(done.old, func() error { return nil })
		}
		if st, err := next.Stats(); err == nil {
			out.FileBytes, out.Records = st.FileBytes, st.Records
		}
		return nil
	})
	return out, err
}

// tailWithin bounds how long a restored table's commits wait for the change log.
const tailWithin = 2 * time.Second

// shipTail brings the last commits of a store that is about to be replaced into the
// change log, while nothing commits: what the log has, the restore cannot take.
func (t *table) shipTail(old *storage.Store) {
	if t.tap == nil || old == nil || t.tap.Shipped().Commits >= old.Ledger().Commits {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tailWithin)
	defer cancel()
	if _, err := t.cfg.Log.Ship(ctx); err != nil {
		t.log.Warn("the tail of a table that is restored is not in the change log; it stays in the replaced folder", "err", err)
	}
}

// Compact writes what lives into a new store and swaps it in; the old one is
// removed. It returns the figures before and after. The table serves meanwhile.
func (r *TableRef) Compact(ctx context.Context) (before, after storage.Stats, err error) {
	t := r.t
	err = t.maintenance(ctx, func() error {
		old := t.store.Load()
		if old == nil {
			return t.unavailable()
		}
		if before, err = old.Stats(); err != nil {
			return err
		}
		next, err := t.rebuild(ctx, old)
		if err != nil {
			return err
		}
		after, err = next.Stats()
		return err
	})
	return before, after, err
}

func (t *table) rebuild(ctx context.Context, old *storage.Store) (*storage.Store, error) {
	lease, err := t.shippedLease(ctx, old)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	next, err := t.stage(ctx, false, lease.Rebuild)
	if isDamage(err) {
		t.suspect(old)
	}
	if err != nil {
		return nil, err
	}
	if err := next.CatchUp(old); err != nil { // most of it before commits wait
		return nil, t.unstage(next, err)
	}
	finish := func(live *storage.Store, _ storage.Version) (storage.Commit, error) {
		if live != old {
			return storage.Commit{}, fmt.Errorf("table %s: %w: its store was replaced meanwhile", t.conf.Name, storage.ErrUnavailable)
		}
		return storage.Commit{}, next.CatchUp(live)
	}
	done, err := t.exchangeFor(ctx, next, storage.WhyCompaction, finish)
	if err != nil {
		return nil, err
	}
	lease.Release()
	t.retire(done.old, func() error { return t.forget(done.old.Dir()) })
	return next, nil
}

// suspect reads all of a store of which a copy could not be proven, and so finds out
// which of the two is damaged.
func (t *table) suspect(s *storage.Store) {
	l, err := s.Lease()
	if err != nil {
		return
	}
	defer l.Release()
	for _, err := range l.Scan(storage.Range{}) {
		if isDamage(err) {
			t.damaged(s, err)
		}
	}
}

// shippedLease is a lease on the store as far as the vault holds its history: from
// there on a compacted store must keep every commit, for the change log. What a kill has
// kept from the log it gets now: an opened store tells of no time before.
func (t *table) shippedLease(ctx context.Context, s *storage.Store) (*storage.Lease, error) {
	if t.tap == nil {
		return s.Lease()
	}
	l, err := s.LeaseAt(t.tap.Through())
	if !errors.Is(err, storage.ErrGap) {
		return l, err
	}
	if _, err := t.cfg.Log.Ship(ctx); err != nil {
		return nil, fmt.Errorf("compaction waits for the change log, which has nothing of this table since it was opened: %w", err)
	}
	return s.LeaseAt(t.tap.Through())
}

// forget removes a compacted store, which is closed.
func (t *table) forget(dir string) error {
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	return t.dir.Forget(dir)
}

// maintenance runs f alone among the table's restores and compactions. The table's end
// waits for it; see [table.noMaintenance].
func (t *table) maintenance(ctx context.Context, f func() error) error {
	select {
	case t.maintain <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.maintain }()
	if t.closing.Load() {
		return t.unavailable()
	}
	return f()
}

// noMaintenance waits for the restore or compaction under way. A table that is closing
// begins no other.
func (t *table) noMaintenance() {
	t.maintain <- struct{}{}
	<-t.maintain
}

// stage builds a store and opens it under its final name, beside the table's own.
func (t *table) stage(ctx context.Context, adopt bool, build func(ctx context.Context, dir string) error) (*storage.Store, error) {
	t.dirMu.Lock()
	d, err := t.dir, error(nil)
	if d == nil && adopt {
		if d, err = storage.AdoptTableDir(t.cfg.FS, t.conf.Dir, t.conf.Name); err == nil {
			t.dir = d
		}
	}
	t.dirMu.Unlock()
	if err != nil || d == nil {
		return nil, errors.Join(err, t.unavailable())
	}
	scratch := d.Scratch()
	if err := build(ctx, scratch); err != nil {
		return nil, err
	}
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	path, err := d.Stage(scratch)
	if err != nil {
		return nil, errors.Join(err, t.cfg.FS.RemoveAll(scratch))
	}
	opts := t.cfg.Store
	opts.CheckBudget = -1 // whoever built it has proven it
	s, err := storage.Open(path, t.conf.Name, opts)
	if err != nil {
		return nil, errors.Join(err, d.Unstage())
	}
	return s, nil
}

// unstage closes and removes a store that shall not become the table's.
func (t *table) unstage(s *storage.Store, cause error) error {
	err := errors.Join(cause, s.Close(context.Background()))
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	if t.dir == nil || errors.Is(cause, storage.ErrUnknownOutcome) {
		return err // it may be the table
	}
	if t.dir.Current() == s.Dir() {
		return err // swapped in, but its actor crashed: the next instance opens it
	}
	return errors.Join(err, t.dir.Unstage())
}

// exchangeFor asks the actor to swap next in. It does not end with ctx: once the
// actor was asked, only the actor knows the outcome.
func (t *table) exchangeFor(ctx context.Context, next *storage.Store, why string, finish func(*storage.Store, storage.Version) (storage.Commit, error)) (exchanged, error) {
	if err := ctx.Err(); err != nil {
		return exchanged{}, t.unstage(next, err)
	}
	m := &exchangeMsg{next: next, why: why, finish: finish, reply: newReply[exchanged]()}
	t.send(m)
	done, err := m.reply.await(context.Background(), t.stopped)
	if err != nil {
		return done, t.unstage(next, err)
	}
	t.last.Store(next)
	return done, nil
}
