package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4"
)

// redoBytes is how much of a redo lies in memory before it is handed to Badger.
const redoBytes = 8 << 20

// Redo applies commits, which must follow the store's own last one without a hole,
// each at its own version, and holds the result against each commit's ledger: a
// difference is a [DamageError]. All is durable on return. Nobody else may write to
// the store. After an error the store holds some of them and is good for nothing:
// redo goes to stores in the making only.
func (s *Store) Redo(commits iter.Seq2[Commit, error]) error {
	if !s.readers.enter() {
		return fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	r := &redo{s: s, b: s.opts.builder(s.db, s.dir, s.table), ledger: *s.head.Load()}
	r.begin()
	defer func() { r.txn.Discard() }()
	for c, err := range commits {
		if err == nil {
			err = r.apply(c)
		}
		if err != nil {
			r.b.batch.Cancel()
			return err
		}
	}
	if err := r.b.batch.Flush(); err != nil {
		return fmt.Errorf("table %s: %w", s.table, err)
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
	r := &redo{s: s, b: &builder{db: s.db, table: s.table, txn: txn}, txn: s.db.NewTransactionAt(uint64(last.Version), false),
		ledger: last, ahead: map[string]Entry{}}
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

// redo is a run of commits that is applied again. Versions enter Badger in order:
// the pin of a snapshot relies on it.
type redo struct {
	s      *Store
	b      *builder
	txn    *badger.Txn
	ledger Ledger
	ahead  map[string]Entry // what the batch holds and the transaction does not see
}

func (r *redo) begin() {
	r.b.begin()
	r.txn = r.s.db.NewTransactionAt(math.MaxUint64, false)
	r.ahead = map[string]Entry{}
}

func (r *redo) apply(c Commit) error {
	last := r.ledger
	for _, e := range c.Changes {
		if err := r.change(e); err != nil {
			return err
		}
	}
	l := c.Ledger
	if l.Commits != last.Commits+1 || l.Version <= last.Version || !l.Agrees(r.ledger) {
		return r.s.damage(fmt.Sprintf("commit %d, applied again, does not agree with its ledger: %s", l.Version, l.Differs(r.ledger)))
	}
	l.Dead = r.ledger.Dead
	r.ledger = l
	if key := ledgerKey(last.Version); last.Version > 0 && string(key) != string(ledgerKey(l.Version)) {
		if err := r.b.remove(key, l.Version); err != nil {
			return err
		}
	}
	if err := r.b.put(ledgerKey(l.Version), l.Append(nil), l.Version); err != nil {
		return err
	}
	if c.Restored != nil { // the mark that Stamp leaves
		if err := r.b.put(restoredKey, be64(nil, uint64(*c.Restored)), l.Version); err != nil {
			return err
		}
		r.s.restored.Store(uint64(l.Version))
	}
	if r.b.txn != nil || r.b.pending < redoBytes {
		return nil
	}
	if err := r.b.batch.Flush(); err != nil {
		return fmt.Errorf("table %s: %w", r.s.table, err)
	}
	r.txn.Discard()
	r.begin()
	return nil
}

// change writes one record or deletion, takes what it replaces out of the index and
// the ledger, and counts it in.
func (r *redo) change(e Entry) error {
	old, h, err := r.old(e.Key)
	if err == nil {
		r.ledger.remove(&old, h)
		r.ledger.Dead += old.size()
		if !old.ExpiresAt.IsZero() {
			err = r.b.remove(expiryKey(old.ExpiresAt.UnixMilli(), e.Key), e.Version)
		}
	} else if errors.Is(err, ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	r.ahead[string(e.Key)] = e
	if e.Envelope == nil {
		return r.b.remove(recordKey(e.Key), e.Version)
	}
	rec, h, problem := e.Open()
	if problem != "" {
		return r.s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
	}
	r.ledger.Add(&rec, h)
	return r.b.add(e)
}

// old returns the record that the key has so far.
func (r *redo) old(key []byte) (Record, Hash, error) {
	e, ok := r.ahead[string(key)]
	if !ok {
		return r.s.read(r.txn, key)
	}
	if e.Envelope == nil {
		return Record{}, Hash{}, ErrNotFound
	}
	rec, h, problem := e.Open()
	if problem != "" {
		return rec, h, r.s.damage(fmt.Sprintf("key %.80q: %s", key, problem))
	}
	return rec, h, nil
}
