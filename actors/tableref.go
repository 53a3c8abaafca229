package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/brockdb/brock/storage"
)

// TableRef is how everybody else talks to a table. Its methods may be called from
// any goroutine, before the table is open and after it is closed.
type TableRef struct{ t *table }

// Name returns the table's name.
func (r *TableRef) Name() string { return r.t.conf.Name }

// Status returns the table's state.
func (r *TableRef) Status() Status {
	st := *r.t.status.Load()
	if r.t.restoring.Load() > 0 && st.State != Closed {
		st.State = Restoring
	}
	return st
}

// Ready waits until the table has been opened or found unavailable.
func (r *TableRef) Ready(ctx context.Context) error {
	select {
	case <-r.t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Apply commits the batch and returns its version when it is durable. Errors match
// storage's (ErrConflict, ErrTooLarge, ErrUnavailable, ErrNoSpace, ErrDamaged …)
// or [ErrOverloaded]; then nothing was written. After storage.ErrUnknownOutcome,
// and when ctx ends while the commit is under way, it may have been.
func (r *TableRef) Apply(ctx context.Context, b storage.Batch) (storage.Version, error) {
	cost, err := b.Check()
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", r.Name(), err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	t, m := r.t, &applyMsg{ctx: ctx, batch: b, cost: cost, size: int64(cost.Bytes + cost.LargeBytes), reply: newReply[storage.Version]()}
	if err := t.admit(m); err != nil {
		return 0, err
	}
	t.send(m)
	v, err := m.reply.await(ctx, t.stopped)
	switch {
	case errors.Is(err, errEnded) && m.taken.Load():
		err = fmt.Errorf("table %s: %w: its actor ended while the commit was under way", r.Name(), storage.ErrUnknownOutcome)
	case errors.Is(err, storage.ErrClosed):
		err = t.unavailable()
	case err != nil && err == ctx.Err():
		err = fmt.Errorf("table %s: %w: nobody waited for the commit: %w", r.Name(), storage.ErrUnknownOutcome, err)
	}
	return v, err
}

// admit counts a batch in, or refuses it.
func (t *table) admit(m *applyMsg) error {
	if t.closing.Load() {
		return t.unavailable()
	}
	n, bytes := t.waiting.Add(1), t.bytes.Add(m.size)
	if n > int64(t.cfg.Queue) || bytes > t.cfg.QueueMem && n > 1 {
		t.waiting.Add(-1)
		t.bytes.Add(-m.size)
		return fmt.Errorf("table %s: %w: %d writes, %d KiB; try again later", t.conf.Name, ErrOverloaded, n-1, (bytes-m.size)>>10)
	}
	return nil
}

// Get returns the live record of the key; it does not wait for writes.
func (r *TableRef) Get(key []byte) (storage.Record, error) {
	return read(r, func(s *storage.Store) (storage.Record, error) { return s.Get(key) })
}

// Lease holds the last acknowledged version for reading. Release it.
func (r *TableRef) Lease() (*storage.Lease, error) {
	return read(r, (*storage.Store).Lease)
}

// LookAt holds an earlier version for reading, expiry judged by its time. Where the
// store no longer has that history the error is a storage.GapError. Release it.
func (r *TableRef) LookAt(v storage.Version) (*storage.Lease, error) {
	return read(r, func(s *storage.Store) (*storage.Lease, error) { return s.LookAt(v) })
}

// Stats returns figures of the table.
func (r *TableRef) Stats() (storage.Stats, error) {
	return read(r, (*storage.Store).Stats)
}

// Space returns an error that matches storage.ErrNoSpace while writes are refused because
// the table's disk is almost full.
func (r *TableRef) Space() error { return r.t.cfg.Store.EnoughSpace(r.t.conf.Dir, r.Name()) }

// Waiting returns how many writes wait for their commit, and their bytes.
func (r *TableRef) Waiting() (writes, bytes int64) { return r.t.waiting.Load(), r.t.bytes.Load() }

// Look quarantines the table for the damage that an error of the lease tells of, and
// returns the error.
func (r *TableRef) Look(l *storage.Lease, err error) error { return r.look(l.Store(), err) }

// read reads from the store; where another one has just taken its place, from that.
func read[T any](r *TableRef, f func(*storage.Store) (T, error)) (T, error) {
	for {
		s, err := r.live()
		if err != nil {
			var none T
			return none, err
		}
		v, err := f(s)
		if errors.Is(err, storage.ErrClosed) && r.t.store.Load() != s {
			continue
		}
		return v, r.look(s, err)
	}
}

// live returns the store, or why there is none.
func (r *TableRef) live() (*storage.Store, error) {
	if s := r.t.store.Load(); s != nil {
		return s, nil
	}
	return nil, r.t.unavailable()
}

// look gives the errors of a read their kind for callers.
func (r *TableRef) look(s *storage.Store, err error) error {
	switch {
	case err == nil:
	case isDamage(err):
		r.t.damaged(s, err)
	case errors.Is(err, storage.ErrClosed):
		return r.t.unavailable()
	}
	return err
}

// flush asks the table to pin the run's cut; the answer comes by await.
func (r *TableRef) flush(cut storage.Version, run string) *flushMsg {
	m := &flushMsg{cut: cut, run: run, reply: newReply[pinned]()}
	r.t.send(m)
	return m
}

// await waits for the pin. When ctx ends first the table is excused, and a pin
// that comes too late is released by the table.
func (r *TableRef) await(ctx context.Context, m *flushMsg) (pinned, error) {
	select {
	case a := <-m.reply:
		return a.value, a.err
	case <-ctx.Done():
	case <-r.t.stopped:
	}
	if !m.claimed.CompareAndSwap(false, true) {
		a := <-m.reply // the table has just decided to answer
		return a.value, a.err
	}
	r.excuse(m.cut)
	return pinned{}, fmt.Errorf("table %s did not pin in time: %w", r.Name(), r.t.unavailable())
}

func (r *TableRef) excuse(cut storage.Version) { r.t.send(&excuseMsg{cut}) }
