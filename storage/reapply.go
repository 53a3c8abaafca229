package storage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// redoBytes is how much of a redo lies in memory before it is handed to Badger.
const (
	redoBytes    = 8 << 20
	pendingBytes = 256 // what a key takes besides itself and its envelope, about
)

// redo is a run of commits that is applied again.
type redo struct {
	s       *Store
	b       *builder
	history bool // each commit enters the batch by itself
	txn     *badger.Txn
	ledger  Ledger              // of the commits so far
	held    Version             // of the ledger that the batch or the store has
	ahead   map[string]*pending // what the transaction does not see
	waiting []*pending          // what the batch has not either
	bytes   int                 // of ahead, and of what the batch has of it
}

// pending is what became of a key. It is a copy: a commit's slices are parts of a frame
// of the log, all of which they would keep.
type pending struct {
	Entry
	buf   []byte // of the envelope
	rec   Record
	hash  Hash
	waits bool   // for the batch
	due   []byte // the index's entry of the record that it replaces there, if any
}

func (r *redo) begin() {
	r.b.begin()
	r.txn = r.s.db.NewTransactionAt(math.MaxUint64, false)
	r.ahead, r.bytes = map[string]*pending{}, 0
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
	if r.ledger = l; !r.history && c.Restored == nil {
		return nil
	}
	if err := r.write(); err != nil || c.Restored == nil {
		return err
	}
	r.s.restored.Store(uint64(l.Version))
	return r.b.put(restoredKey, be64(nil, uint64(*c.Restored)), l.Version) // the mark that Stamp leaves
}

// change takes what the entry replaces out of the ledger, and counts it in.
func (r *redo) change(e Entry) error {
	c, err := r.replace(e.Key)
	if err != nil {
		return err
	}
	if !c.waits {
		c.waits = true
		r.waiting = append(r.waiting, c)
	}
	if !r.history {
		r.bytes -= len(c.buf)
	}
	r.bytes += len(e.Envelope)
	c.buf = append(c.buf[:0], e.Envelope...)
	if c.Version, c.Envelope = e.Version, c.buf; e.Envelope == nil {
		c.Envelope = nil
		return nil
	}
	var problem string
	if c.rec, c.hash, problem = c.Open(); problem != "" {
		return r.s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
	}
	r.ledger.Add(&c.rec, c.hash)
	return nil
}

// replace takes the record that the key has so far out of the ledger. If that is more
// than memory, it leaves dead bytes.
func (r *redo) replace(key []byte) (*pending, error) {
	c, ok := r.ahead[string(key)]
	if ok && c.Envelope == nil {
		return c, nil
	}
	if !ok {
		c = &pending{Entry: Entry{Key: bytes.Clone(key)}}
		r.ahead[string(key)] = c
		r.bytes += len(key) + pendingBytes
		var err error
		if c.rec, c.hash, err = r.s.read(r.txn, key); errors.Is(err, ErrNotFound) {
			return c, nil
		} else if err != nil {
			return nil, err
		}
	}
	r.ledger.remove(&c.rec, c.hash)
	if c.waits {
		return c, nil
	}
	r.ledger.Dead += c.rec.size() + opOverhead/2
	if !c.rec.ExpiresAt.IsZero() {
		c.due = expiryKey(c.rec.ExpiresAt.UnixMilli(), key)
	}
	return c, nil
}

// flush makes durable what is ahead.
func (r *redo) flush() error {
	if err := r.write(); err != nil {
		return err
	}
	if err := r.b.batch.Flush(); err != nil {
		return fmt.Errorf("table %s: %w", r.s.table, err)
	}
	r.txn.Discard()
	r.begin()
	return nil
}

// write hands the batch what waits for it. Versions enter Badger in order: the pin of a
// snapshot relies on it.
func (r *redo) write() error {
	v := r.ledger.Version
	if v == r.held {
		return nil
	}
	slices.SortFunc(r.waiting, func(a, b *pending) int { return cmp.Compare(a.Version, b.Version) })
	for _, c := range r.waiting {
		if err := r.put(c); err != nil {
			return err
		}
		c.waits, c.due = false, nil
	}
	r.waiting = r.waiting[:0]
	if key := ledgerKey(r.held); r.held > 0 && string(key) != string(ledgerKey(v)) {
		if err := r.b.remove(key, v); err != nil {
			return err
		}
	}
	r.held = v
	return r.b.put(ledgerKey(v), r.ledger.Append(nil), v)
}

func (r *redo) put(c *pending) error {
	if c.due != nil {
		if err := r.b.remove(c.due, c.Version); err != nil {
			return err
		}
	}
	if c.Envelope == nil {
		key := recordKey(c.Key)
		r.ledger.Dead += uint64(len(key)) + opOverhead/2 // the tombstone itself
		return r.b.remove(key, c.Version)
	}
	return r.b.add(c.Entry)
}
