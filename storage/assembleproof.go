package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// proveAll opens the store as a table would and proves it, and the index with it:
// copied files bring the index along, so nothing else has derived it anew.
func proveAll(ctx context.Context, dir, table string, want Ledger) error {
	s, err := Open(dir, table, Options{MinFree: -1, making: true})
	if err != nil {
		return err
	}
	if l := s.Ledger(); l.Version != want.Version || l.Commits != want.Commits || !l.Agrees(want) {
		err = s.damage("its ledger is not the one that it should have: " + want.Differs(s.Ledger()))
	} else {
		err = s.readAll(ctx, want)
	}
	return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
}

// readAll reads and checks all records and the index of what expires, and compares
// both with the ledger want and with each other.
func (s *Store) readAll(ctx context.Context, want Ledger) error {
	l, err := s.Lease()
	if err != nil {
		return err
	}
	defer l.Release()
	var found, expiring, index Ledger
	for e, err := range l.Entries() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		r, h, problem := e.Open()
		if problem != "" {
			return s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem))
		}
		if found.Add(&r, h); !r.ExpiresAt.IsZero() {
			expiring.note(hashIndex(expiryKey(r.ExpiresAt.UnixMilli(), r.Key)))
		}
	}
	for item, err := range l.items(badger.IteratorOptions{Prefix: expiryPrefix}, nil) {
		if err != nil {
			return err
		}
		index.note(hashIndex(item.Key()))
	}
	switch {
	case !want.Agrees(found):
		return s.damage("its records do not agree with the ledger: " + want.Differs(found))
	case expiring != index:
		return s.damage("the index of what expires does not agree with the records")
	}
	return nil
}

func hashIndex(key []byte) Hash { return hashEntry(key, 0, 0, 0, nil) }
