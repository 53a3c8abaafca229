package storage

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
)

func diskFree(dir string) (uint64, error) {
	free, _, err := disk.Free(dir)
	return free, err
}

// Get returns the live record of the key as of the last acknowledged commit. It
// returns [ErrNotFound], also for what is due, and a [DamageError] when what is
// stored is not what was written.
func (s *Store) Get(key []byte) (Record, error) {
	if !s.readers.enter() {
		return Record{}, fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	for {
		v := s.head.Load().Version
		r, err := s.getAt(key, v)
		if s.readers.discard.Load() > uint64(v) {
			continue // the mark passed this version while it was read
		}
		if err == nil && r.expired(s.opts.Now().Time()) {
			return Record{}, ErrNotFound
		}
		return r, err
	}
}

func (s *Store) getAt(key []byte, v Version) (Record, error) {
	txn := s.db.NewTransactionAt(uint64(v), false)
	defer txn.Discard()
	r, _, err := s.read(txn, key)
	return r, err
}

// read returns the record as the transaction sees it, due or not, and its hash.
func (s *Store) read(txn *badger.Txn, key []byte) (r Record, h Hash, err error) {
	defer s.caught(&err)
	full := recordKey(key)
	item, err := txn.Get(full)
	none := errors.Is(err, badger.ErrKeyNotFound)
	if err != nil && !none {
		return Record{}, Hash{}, s.readError(err)
	}
	if !none { // what is wrong with the record says more than that its block is damaged
		if r, h, err = s.open(item, nil); err != nil {
			return r, h, err
		}
	}
	if err := s.blocks.get(full, Version(txn.ReadTs()), r.Version); err != nil {
		return Record{}, Hash{}, err
	}
	if none {
		return Record{}, Hash{}, ErrNotFound
	}
	return r, h, nil
}

// open checks an item and returns it as a record whose slices are its own. env,
// when given, is used for the copy.
func (s *Store) open(item *badger.Item, env []byte) (Record, Hash, error) {
	e, err := s.entry(item, env)
	if err != nil {
		return Record{}, Hash{}, err
	}
	e.Key = bytes.Clone(e.Key)
	r, h, problem := e.Open()
	if problem != "" {
		return r, h, s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
	}
	return r, h, nil
}

// entry copies an item's value out of Badger; its key is valid until the iterator
// moves. Where Badger cannot read a value it returns
// an empty one and no error; an envelope is never empty, so opening it finds that.
// (Comparing with ValueSize does not: it is a guess for values in the value log.)
func (s *Store) entry(item *badger.Item, env []byte) (e Entry, err error) {
	defer s.caught(&err)
	if env, err = item.ValueCopy(env); err != nil {
		return Entry{}, s.readError(err)
	}
	return Entry{Key: item.Key()[1:], Version: Version(item.Version()), Envelope: env}, nil
}

func (s *Store) readError(err error) error {
	if errors.Is(err, badger.ErrDBClosed) {
		return fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	if ofSystem(err) {
		return fmt.Errorf("table %s: %w: Badger cannot read: %w", s.table, ErrUnavailable, err)
	}
	return &DamageError{Table: s.table, File: s.dir, Problem: "Badger cannot read", Err: err}
}

// caught turns a panic of Badger, which damaged blocks can cause, into an error of
// the function that defers it.
func (s *Store) caught(err *error) {
	if p := recover(); p != nil {
		*err = &DamageError{Table: s.table, File: s.dir, Problem: "Badger cannot read", Err: errors.New(fmt.Sprint(p))}
	}
}
