package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/brockdb/brock/storage"
)

// PastTable is a table as it was at one version. It never changes, whatever becomes of
// the table, and expiry is judged by its time. Its methods may be called from any
// goroutine. It keeps history or disk space: close it soon.
type PastTable struct {
	name string
	at   Version
	look func(error) error // gives errors of a read their kind

	mu    sync.Mutex
	lease *storage.Lease
	free  func() // gives back what the view stands on
	users int
	gone  bool
}

// TableAt returns the table as it was at a moment (see [ParseMoment]), whatever was
// restored since. The table is not touched and goes on. Where its store no longer has
// that history, the table as it was is built from the vault in the data directory,
// which takes time and space as a restore does, and is kept for a few minutes for
// others who ask. A few such pasts can be open at a time; beyond that the error
// matches [ErrOverloaded]. A moment that cannot be looked at gives an error that
// matches [ErrNotRestorable] and says which can; it may still be that of a snapshot.
func (h *Hub) TableAt(ctx context.Context, table, moment string) (*PastTable, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ref, err := h.group.Table(table)
	if err != nil {
		return nil, err
	}
	at, err := h.moment(ctx, moment, []string{table}, h.newest)
	if err != nil {
		return nil, err
	}
	if l, err := ref.LookAt(at); err == nil {
		look := func(err error) error { return ref.Look(l, err) }
		return h.pasts.show(&PastTable{name: table, at: at, lease: l, look: look, free: l.Release})
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return h.builtTable(ctx, table, at, h.pastSource(at))
}

// tableIn is the table as a snapshot has it.
func (h *Hub) tableIn(ctx context.Context, table, snapshot string) (*PastTable, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	snap, err := h.vault.Resolve(table, snapshot)
	if err != nil {
		return nil, err
	}
	return h.builtTable(ctx, table, snap.Cut, h.snapshotSource(snap.Name))
}

func (h *Hub) builtTable(ctx context.Context, table string, at Version, find findSource) (*PastTable, error) {
	s, err := h.pasts.take(ctx, table, at, find)
	if err != nil {
		return nil, err
	}
	l, err := s.store.LookAt(at)
	if err != nil {
		h.pasts.giveBack(s)
		return nil, err
	}
	same := func(err error) error { return err }
	return h.pasts.show(&PastTable{name: table, at: at, lease: l, look: same, free: func() {
		l.Release()
		h.pasts.giveBack(s)
	}})
}

// Name returns the table's name.
func (t *PastTable) Name() string { return t.name }

// Version returns the version that the table is shown at.
func (t *PastTable) Version() Version { return t.at }

// Time returns the time that it is shown at.
func (t *PastTable) Time() time.Time { return t.at.Time().UTC() }

// Get returns the record that the key had, or [ErrNotFound].
func (t *PastTable) Get(ctx context.Context, key []byte) (Record, error) {
	if err := t.enter(ctx); err != nil {
		return Record{}, err
	}
	defer t.leave()
	rec, err := t.lease.Get(key)
	if errors.Is(err, ErrNotFound) {
		return rec, fmt.Errorf("table %s at %s: %w: key %.80q", t.name, t.Time().Format(time.RFC3339Nano), ErrNotFound, key)
	}
	return rec, t.look(err)
}

// Count returns the number of records that the table had.
func (t *PastTable) Count(ctx context.Context) (uint64, error) {
	if err := t.enter(ctx); err != nil {
		return 0, err
	}
	defer t.leave()
	n, err := t.lease.Count()
	return n, t.look(err)
}

// Scan yields the records that the range had, in key order. It ends after an error.
// A scan of the whole table ends with a [*DamageError] where it does not agree with
// the table's ledger of that time.
func (t *PastTable) Scan(ctx context.Context, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := t.enter(ctx); err != nil {
			yield(Record{}, err)
			return
		}
		defer t.leave()
		for rec, err := range t.lease.Scan(r) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Record{}, t.look(err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// Close lets the past go; scans that are under way go on to their end. Closing twice
// is fine. The hub's close closes it too, and ends its scans.
func (t *PastTable) Close() {
	t.mu.Lock()
	first := !t.gone
	t.gone = true
	t.mu.Unlock()
	if first {
		t.drop(0)
	}
}

func (t *PastTable) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return fmt.Errorf("table %s at %s: %w", t.name, t.Time().Format(time.RFC3339Nano), ErrClosed)
	}
	t.users++
	return nil
}

func (t *PastTable) leave() { t.drop(1) }

// drop takes users away; the last one of a closed view frees what it stands on.
func (t *PastTable) drop(users int) {
	t.mu.Lock()
	t.users -= users
	var free func()
	if t.gone && t.users == 0 {
		free, t.free = t.free, nil
	}
	t.mu.Unlock()
	if free != nil {
		free()
	}
}
