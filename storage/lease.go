package storage

import (
	"bytes"
	"fmt"
	"iter"
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// Lease holds one version of a store for reading: all that it returns is as of
// that version, whatever is written meanwhile. It keeps the store from closing and
// the version's records from being discarded, so release it soon.
type Lease struct {
	// Ledger is the table's account at the lease's version.
	Ledger Ledger
	// Version is what the lease reads at: of the last commit, or of a cut.
	Version Version

	s    *Store
	long *longRead
	now  Version // the time by which expiry is judged
	once sync.Once

	image *Image // see [Lease.Image]
}

// Range selects records in key order. The zero Range selects all.
type Range struct {
	Prefix  []byte // only keys that start with it
	From    []byte // only keys at or after it
	To      []byte // only keys before it
	Limit   int    // at most so many; 0: no limit
	Reverse bool   // from the highest key down
}

func (r *Range) whole() bool {
	return len(r.Prefix) == 0 && len(r.From) == 0 && len(r.To) == 0 && r.Limit == 0
}

// Lease returns a lease at the last acknowledged commit.
func (s *Store) Lease() (*Lease, error) { return s.lease(0) }

// Pin returns a lease at the cut, by whose time expiry is judged. The caller makes
// sure that no commit is in flight and that none goes past the cut before Pin
// returns; then the ledger is that of the cut.
func (s *Store) Pin(cut Version) (*Lease, error) {
	if head := s.head.Load().Version; cut < head {
		return nil, fmt.Errorf("table %s: %w: cut %d lies before the last commit %d", s.table, ErrInvalid, cut, head)
	}
	return s.lease(cut)
}

// LeaseAt returns a lease at an earlier version: the table as it was, expiry judged
// by that time. Where the store no longer has all of that time the error is a
// [GapError].
func (s *Store) LeaseAt(v Version) (*Lease, error) {
	l := &Lease{s: s, now: v, Version: v}
	var ok bool
	var floor Version
	l.long, ok = s.readers.register(func() Version {
		floor = max(s.floor, Version(s.readers.discard.Load()), Version(s.restored.Load()))
		return max(v, floor)
	})
	if !ok {
		return nil, fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	var err error
	if v < floor {
		err = &GapError{Table: s.table, After: v, Until: floor, Problem: "the store keeps no history that old; read it from the vault"}
	} else {
		l.Ledger, err = s.ledgerAt(v)
	}
	if err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// LookAt is [Store.LeaseAt] for whoever wants to know what the table was at that time,
// which may also lie after the last acknowledged commit. A store that a restore put in
// the table's place does not know what the table was before: that is a [GapError] too.
func (s *Store) LookAt(v Version) (*Lease, error) {
	l, err := s.Lease()
	if err != nil {
		return nil, err
	}
	if l.Version <= v {
		l.now = v
		return l, nil
	}
	l.Release()
	if at := Version(s.restored.Load()); v < at {
		return nil, &GapError{Table: s.table, After: v, Until: at, Problem: "a restore put this store in the table's place; read it from the vault"}
	}
	return s.LeaseAt(v)
}

func (s *Store) lease(cut Version) (*Lease, error) {
	l := &Lease{s: s, now: cut}
	var ok bool
	l.long, ok = s.readers.register(func() Version {
		l.Ledger = *s.head.Load()
		return l.Ledger.Version
	})
	if !ok {
		return nil, fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	l.Version = max(cut, l.Ledger.Version)
	if cut == 0 {
		l.now = s.opts.Now()
	}
	return l, nil
}

// Store returns the store that the lease reads.
func (l *Lease) Store() *Store { return l.s }

// Release ends the lease, and its image. Releasing twice is fine.
func (l *Lease) Release() {
	l.once.Do(func() {
		if l.image != nil {
			l.image.Release()
		}
		l.s.readers.unregister(l.long)
	})
}

// Get returns the live record of the key, as [Store.Get] does.
func (l *Lease) Get(key []byte) (Record, error) {
	r, err := l.s.getAt(key, l.Version)
	if err == nil && r.expired(l.now.Time()) {
		return Record{}, ErrNotFound
	}
	return r, err
}

// Count returns the number of live records, what is due left out. It reads only
// the index of what is due, so it does not grow with the table.
func (l *Lease) Count() (uint64, error) {
	due := uint64(0)
	for _, err := range l.due() {
		if err != nil {
			return 0, err
		}
		due++
	}
	if due > l.Ledger.Records {
		return 0, l.s.damage("more records are due than there are")
	}
	return l.Ledger.Records - due, nil
}

// due yields the keys of the records that are due, earliest first.
func (l *Lease) due() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		now := l.now.millis()
		for item, err := range l.items(badger.IteratorOptions{Prefix: expiryPrefix}, nil) {
			if err != nil {
				yield(nil, err)
				return
			}
			at, key := splitExpiry(item.KeyCopy(nil))
			if at > now || !yield(key, nil) {
				return
			}
		}
	}
}

// Scan yields the live records of the range. After an error it ends. A scan of the
// whole table, run to its end, has compared what it read with the ledger, and ends
// with a [DamageError] when they differ.
func (l *Lease) Scan(r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var found Ledger
		n, now := 0, l.now.Time()
		for item, err := range l.items(r.options(), r.start()) {
			var rec Record
			var h Hash
			if err == nil {
				if key := item.Key()[1:]; r.past(key) {
					break
				} else if !r.holds(key) {
					continue
				}
				rec, h, err = l.s.open(item, nil)
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			found.Add(&rec, h)
			if rec.expired(now) {
				continue
			}
			if n++; !yield(rec, nil) || (r.Limit > 0 && n == r.Limit) {
				return
			}
		}
		if r.whole() && !l.Ledger.Agrees(found) {
			yield(Record{}, l.s.damage("a scan does not agree with the ledger: "+l.Ledger.Differs(found)))
		}
	}
}

// Entries yields all records as they are stored, due ones included, in key order.
// It does not open them: whoever takes them does. An entry's slices are valid until
// the next one.
func (l *Lease) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var env []byte
		for item, err := range l.items(badger.IteratorOptions{Prefix: recordPrefix}, nil) {
			var e Entry
			if err == nil {
				e, err = l.s.entry(item, env)
				env = e.Envelope[:0]
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// unchecked yields Badger's items to whoever can tell by other means that they are right,
// and none is missing. What Badger throws while it reads becomes damage; what the caller
// throws passes through.
func (l *Lease) unchecked(o badger.IteratorOptions) iter.Seq2[*badger.Item, error] {
	return func(yield func(*badger.Item, error) bool) {
		txn := l.s.db.NewTransactionAt(uint64(l.Version), false)
		defer txn.Discard()
		it := txn.NewIterator(o)
		defer it.Close()
		l.s.walk(it, o.Prefix, nil)(yield)
	}
}

// items yields Badger's items as unchecked does, each when what the iterator went by up
// to it is checked, and ends when all up to the end is.
func (l *Lease) items(o badger.IteratorOptions, seek []byte) iter.Seq2[*badger.Item, error] {
	return func(yield func(*badger.Item, error) bool) {
		txn := l.s.db.NewTransactionAt(uint64(l.Version), false)
		defer txn.Discard()
		it := txn.NewIterator(o)
		defer it.Close()
		begin, end := o.Prefix, prefixEnd(o.Prefix)
		if o.Reverse {
			begin, end = end, begin
		}
		if seek != nil {
			begin = seek
		}
		check := l.s.blocks.scan(begin, o)
		defer check.end()
		for item, err := range l.s.walk(it, o.Prefix, seek) {
			if err == nil {
				err = l.s.checked(check, item.Key())
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(item, nil) {
				return
			}
		}
		if err := l.s.checked(check, end); err != nil {
			yield(nil, err)
		}
	}
}

// checked is [scanCheck.to], which asks Badger for its tables.
func (s *Store) checked(check *scanCheck, upTo []byte) (err error) {
	defer s.caught(&err)
	return check.to(upTo)
}

// walk yields what an open iterator has, from seek on or from its start.
func (s *Store) walk(it *badger.Iterator, prefix, seek []byte) iter.Seq2[*badger.Item, error] {
	return func(yield func(*badger.Item, error) bool) {
		move := func() { it.Seek(seek) }
		if seek == nil {
			move = it.Rewind
		}
		for {
			if err := s.guarded(move); err != nil {
				yield(nil, err)
				return
			}
			if !it.ValidForPrefix(prefix) {
				return
			}
			if s.readers.ended.Load() {
				yield(nil, fmt.Errorf("table %s: %w while it was read", s.table, ErrClosed))
				return
			}
			if !yield(it.Item(), nil) {
				return
			}
			move = it.Next
		}
	}
}

// guarded turns a panic of Badger, which damaged blocks can cause, into an error.
func (s *Store) guarded(f func()) (err error) {
	defer s.caught(&err)
	f()
	return nil
}

func (r *Range) options() badger.IteratorOptions {
	return badger.IteratorOptions{Prefix: recordPrefix, Reverse: r.Reverse}
}

// start returns the key to seek first.
func (r *Range) start() []byte {
	if !r.Reverse {
		return recordKey(maxBytes(r.Prefix, r.From))
	}
	// Downwards the seek finds the last key at or below. Keys after the range are
	// skipped by holds; there is at most one, To itself.
	end := r.To
	if p := prefixEnd(r.Prefix); end == nil || (p != nil && bytes.Compare(p, end) < 0) {
		end = p
	}
	if end == nil {
		return []byte{recordRoom + 1}
	}
	return recordKey(end)
}

// past says that the scan has left the range for good.
func (r *Range) past(key []byte) bool {
	if r.Reverse {
		low := maxBytes(r.Prefix, r.From)
		return bytes.Compare(key, low) < 0
	}
	if len(r.To) > 0 && bytes.Compare(key, r.To) >= 0 {
		return true
	}
	return len(r.Prefix) > 0 && bytes.Compare(key, r.Prefix) > 0 && !bytes.HasPrefix(key, r.Prefix)
}

func (r *Range) holds(key []byte) bool {
	return bytes.HasPrefix(key, r.Prefix) && bytes.Compare(key, r.From) >= 0 &&
		(len(r.To) == 0 || bytes.Compare(key, r.To) < 0)
}

func maxBytes(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		return a
	}
	return b
}

// prefixEnd returns the first key after all that start with the prefix, nil if there is none.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for len(end) > 0 {
		if end[len(end)-1]++; end[len(end)-1] != 0 {
			return end
		}
		end = end[:len(end)-1]
	}
	return nil
}
