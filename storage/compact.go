package storage

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"
)

// Rebuild writes what lives at the lease's version, and nothing else, into a new
// store at dir, proven against the ledger. Writes go on meanwhile; [Store.CatchUp]
// brings the new store up to them, for which the lease must still be held. This is
// how Brock compacts: it frees all that is dead, value log included, whatever shape
// Badger's levels have (Badger's Flatten freed nothing where all tables lay on one
// level).
func (l *Lease) Rebuild(ctx context.Context, dir string) error {
	want := l.Ledger
	want.Dead = 0
	return Build(ctx, dir, l.s.table, l.Entries(), want)
}

// CatchUp applies to s what old has committed since s was rebuilt from it, and
// checks that both have the same ledger then. For an exact result nobody may
// commit to old or s meanwhile.
func (s *Store) CatchUp(old *Store) error {
	l, err := old.Lease()
	if err != nil {
		return err
	}
	defer l.Release()
	mine := s.Ledger()
	if mine.Version == l.Ledger.Version {
		return nil
	}
	b := &builder{db: s.db, table: s.table}
	b.begin()
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	next := mine
	for e, err := range l.entriesSince(mine.Version) {
		if err == nil {
			err = s.follow(txn, b, e, &next)
		}
		if err != nil {
			b.batch.Cancel()
			return err
		}
	}
	next.Version, next.Commits = l.Ledger.Version, l.Ledger.Commits
	if !next.Agrees(l.Ledger) {
		b.batch.Cancel()
		return s.damage("the compacted store does not agree with the ledger: " + l.Ledger.Differs(next))
	}
	return s.finish(b, next)
}

// follow writes one changed record, or its removal, into the batch.
func (s *Store) follow(txn *badger.Txn, b *builder, e Entry, next *Ledger) error {
	old, h, err := s.read(txn, e.Key)
	if err == nil {
		next.remove(&old, h)
		next.Dead += old.size()
		if !old.ExpiresAt.IsZero() {
			if err := b.remove(expiryKey(old.ExpiresAt.UnixMilli(), e.Key), e.Version); err != nil {
				return err
			}
		}
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	if e.Envelope == nil {
		return b.remove(recordKey(e.Key), e.Version)
	}
	r, h, problem := e.Open()
	if problem != "" {
		return s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
	}
	next.Add(&r, h)
	return b.add(e)
}

func (b *builder) remove(key []byte, v Version) error { return b.batch.DeleteAt(key, uint64(v)) }

// Stamp commits only the ledger, at version v, with the account of commits going
// on from commits: the mark that a restore leaves in the restored store.
func (s *Store) Stamp(v Version, commits uint64) error {
	w, err := s.begin(v)
	if err != nil {
		return err
	}
	defer w.txn.Discard()
	w.ledger.Commits = max(commits, w.ledger.Commits)
	return w.commit()
}

// finish makes the batch durable and next the ledger.
func (s *Store) finish(b *builder, next Ledger) error {
	if last := ledgerKey(s.Ledger().Version); string(last) != string(ledgerKey(next.Version)) && s.Ledger().Version > 0 {
		if err := b.remove(last, next.Version); err != nil {
			return err
		}
	}
	err := b.put(ledgerKey(next.Version), next.Append(nil), next.Version)
	if err == nil {
		err = b.batch.Flush()
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", s.table, err)
	}
	s.head.Store(&next)
	return s.witness.saw(next.Version)
}
