package storage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	redoBytes    = 8 << 20 // what of a redo lies in memory before it is handed to Badger
	pendingBytes = 256     // what a key takes besides itself and its envelope, about
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
	lives   bool // there is a record, of which the ledger knows:
	size    uint64
	hash    Hash
	expires time.Time

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
	p, err := r.replace(e.Key)
	if err != nil {
		return err
	}
	if !p.waits {
		p.waits = true
		r.waiting = append(r.waiting, p)
	}
	if !r.history { // else the batch has the one of before
		r.bytes -= len(p.Envelope)
	}
	r.bytes += len(e.Envelope)
	p.Version, p.Envelope = e.Version, bytes.Clone(e.Envelope)
	if e.Envelope == nil {
		return nil
	}
	rec, h, problem := e.Open()
	if problem != "" {
		return r.s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
	}
	r.ledger.Add(&rec, h)
	p.knows(&rec, h)
	return nil
}

func (p *pending) knows(rec *Record, h Hash) {
	p.lives, p.size, p.hash, p.expires = true, rec.size(), h, rec.ExpiresAt
}

// replace takes the record that the key has so far out of the ledger. If more than
// memory has it, it leaves dead bytes.
func (r *redo) replace(key []byte) (*pending, error) {
	p, ok := r.ahead[string(key)]
	if !ok {
		p = &pending{Entry: Entry{Key: bytes.Clone(key)}}
		r.ahead[string(key)] = p
		r.bytes += len(key) + pendingBytes
		rec, h, err := r.s.read(r.txn, key)
		if err == nil {
			p.knows(&rec, h)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	if !p.lives {
		return p, nil
	}
	p.lives = false
	r.ledger.take(p.size, p.hash)
	if p.waits {
		return p, nil
	}
	r.ledger.Dead += p.size + opOverhead/2
	if !p.expires.IsZero() {
		p.due = expiryKey(p.expires.UnixMilli(), key)
	}
	return p, nil
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
	for _, p := range r.waiting {
		if err := r.put(p); err != nil {
			return err
		}
		p.waits, p.due = false, nil
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
	if key := ledgerKey(r.held); r.held > 0 && string(key) != string(ledgerKey(v)) {
		if err := r.b.remove(key, v); err != nil {
			return err
		}
	}
	r.held = v
	return r.b.put(ledgerKey(v), r.ledger.Append(nil), v)
}

func (r *redo) put(p *pending) error {
	if p.due != nil {
		if err := r.b.remove(p.due, p.Version); err != nil {
			return err
		}
	}
	if p.Envelope != nil {
		return r.b.add(p.Entry)
	}
	key := recordKey(p.Key)
	r.ledger.Dead += uint64(len(key)) + opOverhead/2 // the tombstone itself
	return r.b.remove(key, p.Version)
}
