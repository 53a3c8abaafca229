package main

import (
	"errors"
	"os"

	"github.com/brockdb/brock/test/bench/records"
	bolt "go.etcd.io/bbolt"
)

var bucket = []byte("tasks")

type boltStore struct{ db *bolt.DB }

func openBolt(file string) (store, error) {
	db, err := bolt.Open(file, 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	return boltStore{db}, err
}

func (s boltStore) put(keys, values [][]byte) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		for i := 0; i < len(keys) && err == nil; i++ {
			err = b.Put(keys[i], values[i])
		}
		return err
	})
}

func (s boltStore) backup(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	return errors.Join(err, f.Sync(), f.Close())
}

func (s boltStore) check(file string) error {
	db, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.View(func(tx *bolt.Tx) error {
		if tx.Bucket(bucket).Get(records.Key(0)) == nil {
			return errors.New("a record is missing")
		}
		return nil
	})
	return errors.Join(err, db.Close())
}

func (s boltStore) close() error { return s.db.Close() }
