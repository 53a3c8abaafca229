package changelog

import (
	"context"
	"errors"
	"log/slog"
	"sort"

	"github.com/brockdb/brock/storage"
)

// refillBytes is how much of the stores' history goes into one segment.
const refillBytes = 32 << 20

// collect gathers what the log shall get of the table: its commits up to the
// version, from memory, or from the store where the memory has not all of it. A
// table that does not serve, or whose store cannot be read, stays behind alone.
func (t *Tap) collect(ctx context.Context, upTo storage.Version, room *int64) (st TableState, commits []storage.Commit, more bool) {
	t.mu.Lock()
	st = TableState{Table: t.table, Before: t.shipped, After: t.shipped, Through: t.through}
	store, whole, broken, sure := t.store, t.whole(), t.broken, t.sure
	if t.busy {
		upTo = min(upTo, t.low)
	}
	n := sort.Search(len(t.buf), func(i int) bool { return t.buf[i].Ledger.Version > upTo })
	buf := t.buf[:n:n]
	t.mu.Unlock()
	switch {
	case broken != nil && store != nil:
		return t.breakOff(st, store, upTo, broken), nil, false
	case whole && broken == nil:
		if n > 0 {
			st.After, st.Commits = buf[n-1].Ledger, uint64(n)
			st.Through = max(st.Through, st.After.Version)
		}
		if sure { // a table that closed commits nothing more below this version
			st.Through = max(st.Through, upTo)
		}
		return st, buf, false
	case store == nil:
		return st, nil, false
	}
	commits, more, err := unshipped(ctx, store, st.Before, upTo, room)
	if errors.Is(err, storage.ErrGap) {
		return t.breakOff(st, store, upTo, err), nil, false
	}
	if err != nil {
		t.s.complain(slog.LevelWarn, waitsFor, t.table, err)
		if t.hurt != nil && errors.Is(err, storage.ErrDamaged) {
			t.hurt(store, err)
		}
		return st, nil, false
	}
	if len(commits) > 0 {
		st.After, st.Commits = commits[len(commits)-1].Ledger, uint64(len(commits))
		st.Through = max(st.Through, st.After.Version)
	}
	if !more {
		st.Through = max(st.Through, upTo)
	}
	return st, commits, more
}

// unshipped reads what the store committed after the ledger; more says that there is more.
func unshipped(ctx context.Context, store *storage.Store, after storage.Ledger, upTo storage.Version, room *int64) (commits []storage.Commit, more bool, err error) {
	l, err := store.Lease()
	if err != nil {
		return nil, false, err
	}
	defer l.Release()
	for c, err := range l.History(after, upTo) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, false, err
		}
		if *room <= 0 {
			return commits, true, nil
		}
		commits = append(commits, c)
		*room -= sizeOf(c)
	}
	return commits, false, nil
}

// breakOff lets the log go on from where the table is now: what lies between is
// not in it, and only a snapshot brings the two together again.
func (t *Tap) breakOff(st TableState, store *storage.Store, upTo storage.Version, cause error) TableState {
	l, err := store.LeaseAt(upTo)
	if err != nil {
		l, err = store.Lease() // a store that was just opened knows no earlier state
	}
	if err != nil {
		return st
	}
	defer l.Release()
	t.s.complain(slog.LevelError, hasBreak, t.table, cause)
	st.Before, st.After, st.Break = l.Ledger, l.Ledger, true
	st.Through = max(st.Through, upTo, l.Ledger.Version)
	return st
}
