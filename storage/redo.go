package storage

import (
	"context"
	"fmt"
	"iter"
)

// Redo applies commits, which must follow the store's own last one without a hole,
// each at its own version, and holds the result against each commit's ledger: a
// difference is a [DamageError]. All is durable on return, and each commit is part of
// the store's history. Nobody else may write to the store. After an error the store
// holds some of them and is good for nothing: redo goes to stores in the making only.
func (s *Store) Redo(commits iter.Seq2[Commit, error]) error { return s.redo(commits, true) }

// RollForward is [Store.Redo] for a store whose history of before nobody needs: of a key
// that was written many times mostly the last record alone reaches the disk. A change
// log that would begin before the last commit has a gap there, as behind a snapshot.
func (s *Store) RollForward(commits iter.Seq2[Commit, error]) error { return s.redo(commits, false) }

func (s *Store) redo(commits iter.Seq2[Commit, error], history bool) error {
	if !s.readers.enter() {
		return fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	r := &redo{s: s, b: s.opts.builder(s.db, s.dir, s.table), history: history, ledger: *s.head.Load()}
	r.held = r.ledger.Version
	r.begin()
	defer func() { r.b.batch.Cancel(); r.txn.Discard() }() // of what was flushed that is nothing
	for c, err := range commits {
		if err == nil {
			err = r.apply(c)
		}
		if err == nil && r.bytes >= redoBytes {
			err = r.flush()
		}
		if err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	s.head.Store(&r.ledger)
	return s.witness.saw(max(r.ledger.Version, s.seen)) // what it saw and is still missing stays missed
}

// Refill is [Store.Redo] for a store that shall go on serving: each commit is one
// transaction, so whatever ends it, the store has whole commits and a later refill
// goes on from there. It ends with ctx.
func (s *Store) Refill(ctx context.Context, commits iter.Seq2[Commit, error]) error {
	if !s.readers.enter() {
		return fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	for c, err := range commits {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = s.opts.enoughSpace(s.dir, s.table)
		}
		if err == nil {
			err = s.refillOne(c)
		}
		if err != nil {
			return err
		}
	}
	return s.witness.saw(max(s.Ledger().Version, s.seen))
}

func (s *Store) refillOne(c Commit) error {
	last := *s.head.Load()
	txn := s.db.NewTransactionAt(uint64(last.Version), true)
	defer txn.Discard()
	r := &redo{s: s, b: &builder{db: s.db, table: s.table, txn: txn}, history: true, ledger: last, held: last.Version,
		txn: s.db.NewTransactionAt(uint64(last.Version), false), ahead: map[string]*pending{}}
	defer r.txn.Discard()
	if err := r.apply(c); err != nil {
		return err
	}
	if err := txn.CommitAt(uint64(c.Ledger.Version), nil); err != nil {
		return fmt.Errorf("table %s: %w", s.table, err)
	}
	s.head.Store(&r.ledger)
	return nil
}
