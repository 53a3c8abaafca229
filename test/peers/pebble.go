package main

import (
	"errors"
	"os"

	"github.com/brockdb/brock/test/bench/records"
	"github.com/cockroachdb/pebble/v2"
)

type pebbleStore struct {
	db     *pebble.DB
	copied bool
}

// openPebble opens Pebble as it comes. A checkpoint links its files; copied makes one
// that would survive the disk.
func openPebble(copied bool) func(dir string) (store, error) {
	return func(dir string) (store, error) {
		db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
		return pebbleStore{db, copied}, err
	}
}

func (s pebbleStore) put(keys, values [][]byte) error {
	b := s.db.NewBatch()
	for i := range keys {
		if err := b.Set(keys[i], values[i], nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}

func (s pebbleStore) backup(to string) error {
	if !s.copied {
		return s.db.Checkpoint(to, pebble.WithFlushedWAL())
	}
	links := to + ".links"
	err := s.db.Checkpoint(links, pebble.WithFlushedWAL())
	if err == nil {
		err = copyAll(links, to)
	}
	return errors.Join(err, os.RemoveAll(links))
}

func (s pebbleStore) check(dir string) error {
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		return err
	}
	_, closer, err := db.Get(records.Key(0))
	if err == nil {
		err = closer.Close()
	}
	return errors.Join(err, db.Close())
}

func (s pebbleStore) close() error { return s.db.Close() }

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) { panic("pebble gave up") }
