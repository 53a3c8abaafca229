package changelog

import (
	"context"

	"github.com/brockdb/brock/storage"
)

// OnDamage has f called with the damage that is met when a store of the table is read
// for the log. Call it before the first Serve; f must not block.
func (t *Tap) OnDamage(f func(*storage.Store, error)) {
	if t != nil {
		t.hurt = f
	}
}

// Salvage takes into memory what s still has of the commits that the log has not got.
// s is damaged and serves no more (see [Tap.Serve]); most often the memory has them
// all, and nothing is read. What is taken is proven, commit by commit. Where some are
// beyond saving, the log ends before the first of those, for good.
func (t *Tap) Salvage(ctx context.Context, s *storage.Store) {
	if t == nil {
		return
	}
	t.mu.Lock()
	after, whole := t.shipped, t.whole() || t.broken != nil || t.store != nil
	t.mu.Unlock()
	if whole {
		return
	}
	commits, size, err := t.rest(ctx, s, after)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.store != nil || t.shipped.Commits != after.Commits {
		return
	}
	t.s.held.Add(size - t.bytes)
	t.buf, t.bytes, t.seen = commits, size, after.Commits+uint64(len(commits))
	if t.sure = t.sure && err == nil; err != nil {
		t.s.log.Error("the last commits of a damaged table are not in the change log", "table", t.table, "after_commit", t.seen, "err", err)
	}
}

// rest reads the store's commits after the ledger, as far as that goes and memory is for.
func (t *Tap) rest(ctx context.Context, s *storage.Store, after storage.Ledger) (commits []storage.Commit, size int64, err error) {
	l, err := s.Lease()
	if err != nil {
		return nil, 0, err
	}
	defer l.Release()
	for c, err := range l.History(after, l.Version) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && size > t.s.cfg.Cap {
			err = storage.ErrTooLarge
		}
		if err != nil {
			return commits, size, err
		}
		commits, size = append(commits, c), size+sizeOf(c)
	}
	return commits, size, nil
}
