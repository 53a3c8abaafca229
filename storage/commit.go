package storage

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Commit writes the batches as one synced transaction at version v, with the
// ledger in it. v must be higher than the version of every commit before, and no
// two batches may hold the same key. Errors for single batches (a condition that
// does not hold, damage found under a key) leave that batch out and stand in the
// outcome; the others are written.
//
// An error concerns all. When it matches [ErrUnknownOutcome], the store takes no
// more writes: close it and open it again, which reads back what happened. With any
// other error nothing was written.
func (s *Store) Commit(v Version, batches []Batch) (Outcome, error) {
	if !s.readers.enter() {
		return Outcome{}, fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	if f := s.failed.Load(); f != nil {
		return Outcome{}, *f
	}
	if err := s.opts.enoughSpace(s.dir, s.table); err != nil {
		return Outcome{}, err
	}
	w, err := s.begin(v)
	if err != nil {
		return Outcome{}, err
	}
	defer w.txn.Discard()
	each := make([]error, len(batches))
	for i, b := range batches {
		if each[i] = w.batch(b); errors.Is(each[i], badger.ErrTxnTooBig) {
			return Outcome{}, fmt.Errorf("table %s: %w: commit does not fit a transaction", s.table, ErrTooLarge)
		}
	}
	if len(w.changes) == 0 {
		return Outcome{Each: each}, nil
	}
	if err := w.commit(); err != nil {
		return Outcome{}, err
	}
	s.noteFiles()
	return Outcome{Each: each, Ledger: w.ledger, Changes: w.changes}, nil
}

// Outcome is what a commit did.
type Outcome struct {
	Each    []error // of each batch, in their order
	Ledger  Ledger  // after it
	Changes []Entry // what it wrote, deletions without an envelope; empty: there was nothing to write
}

// writer is one commit in the making.
type writer struct {
	s       *Store
	txn     *badger.Txn
	v       Version
	now     time.Time
	old     Ledger
	ledger  Ledger
	changes []Entry
}

func (s *Store) begin(v Version) (*writer, error) {
	old := *s.head.Load()
	if v <= old.Version {
		return nil, fmt.Errorf("table %s: %w: version %d is not above %d", s.table, ErrInvalid, v, old.Version)
	}
	txn := s.db.NewTransactionAt(uint64(old.Version), true)
	w := &writer{s: s, txn: txn, v: v, now: s.opts.Now().Time(), old: old, ledger: old}
	w.ledger.Writes, w.ledger.Change = 0, Digest{}
	return w, nil
}

// change is what one operation does to one key.
type change struct {
	op      *Op
	old     Record
	oldHash Hash
	exists  bool // in the store, due or not
}

// batch writes one batch into the transaction, or none of it.
func (w *writer) batch(b Batch) error {
	changes := make([]change, 0, len(b))
	void := b.repeats()
	for i := range b {
		op := &b[i]
		if void[i] {
			continue
		}
		c := change{op: op}
		var err error
		if c.old, c.oldHash, err = w.s.read(w.txn, op.Key); err == nil {
			c.exists = true
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		if op.IfDue && !(c.exists && c.old.expired(w.now)) {
			continue
		}
		if err := c.allowed(w); err != nil {
			return err
		}
		changes = append(changes, c)
	}
	for i := range changes {
		if err := w.apply(&changes[i]); err != nil {
			return err
		}
	}
	return nil
}

// repeats returns the positions of operations that a later one on the same key
// makes void; nil for the usual batch, which has none.
func (b Batch) repeats() map[int]bool {
	if len(b) < 2 {
		return nil
	}
	var void map[int]bool
	last := make(map[string]int, len(b))
	for i := range b {
		if j, ok := last[string(b[i].Key)]; ok {
			if void == nil {
				void = map[int]bool{}
			}
			void[j] = true
		}
		last[string(b[i].Key)] = i
	}
	return void
}

// allowed judges the operation's condition; what is due is not there.
func (c *change) allowed(w *writer) error {
	live := c.exists && !c.old.expired(w.now)
	switch {
	case c.op.IfAbsent && live:
		return fmt.Errorf("table %s: %w: key %.80q exists at version %d", w.s.table, ErrConflict, c.op.Key, c.old.Version)
	case c.op.IfVersion > 0 && !live:
		return fmt.Errorf("table %s: %w: key %.80q does not exist, expected version %d", w.s.table, ErrConflict, c.op.Key, c.op.IfVersion)
	case c.op.IfVersion > 0 && c.old.Version != c.op.IfVersion:
		return fmt.Errorf("table %s: %w: key %.80q is at version %d, expected %d", w.s.table, ErrConflict, c.op.Key, c.old.Version, c.op.IfVersion)
	}
	return nil
}

func (w *writer) apply(c *change) error {
	if c.exists {
		if err := w.forget(c); err != nil {
			return err
		}
	} else if c.op.Delete {
		return nil
	}
	key := recordKey(c.op.Key)
	if c.op.Delete {
		w.ledger.Dead += uint64(len(key)) + opOverhead/2 // the tombstone itself
		w.ledger.note(hashEntry(c.op.Key, w.v, flagDeleted, 0, nil))
		w.changes = append(w.changes, Entry{Key: key[1:], Version: w.v})
		return w.txn.Delete(key)
	}
	expires := c.op.ExpiresAt
	if !expires.IsZero() {
		expires = time.UnixMilli(expires.UnixMilli()).UTC()
		if err := w.txn.Set(expiryKey(expires.UnixMilli(), c.op.Key), nil); err != nil {
			return err
		}
	}
	env, h := seal(c.op.Key, c.op.Value, w.v, expires)
	w.ledger.Add(&Record{Key: c.op.Key, Value: c.op.Value}, h)
	w.ledger.note(h)
	w.changes = append(w.changes, Entry{Key: key[1:], Version: w.v, Envelope: env})
	return w.txn.Set(key, env)
}

// forget takes the old record out of the ledger and the index.
func (w *writer) forget(c *change) error {
	w.ledger.remove(&c.old, c.oldHash)
	w.ledger.Dead += c.old.size() + opOverhead/2
	if c.old.ExpiresAt.IsZero() {
		return nil
	}
	return w.txn.Delete(expiryKey(c.old.ExpiresAt.UnixMilli(), c.op.Key))
}

// commit adds the ledger and commits.
func (w *writer) commit() error {
	w.ledger.Version = w.v
	w.ledger.Commits++
	if err := w.putLedger(); err != nil {
		return fmt.Errorf("table %s: %w: %w", w.s.table, ErrTooLarge, err)
	}
	if err := w.txn.CommitAt(uint64(w.v), nil); err != nil {
		err = fmt.Errorf("table %s: %w: commit at version %d: %w", w.s.table, ErrUnknownOutcome, w.v, err)
		w.s.failed.Store(&err)
		return err
	}
	w.s.head.Store(&w.ledger)
	if err := w.s.witness.saw(w.v); err != nil {
		w.s.log.Warn("the witness of the last commit could not be written", "err", err)
	}
	return nil
}

// putLedger writes the ledger and, when the minute has turned, removes its last key.
func (w *writer) putLedger() error {
	key := ledgerKey(w.v)
	if last := ledgerKey(w.old.Version); w.old.Version > 0 && string(last) != string(key) {
		if err := w.txn.Delete(last); err != nil {
			return err
		}
	}
	return w.txn.Set(key, w.ledger.Append(nil))
}
