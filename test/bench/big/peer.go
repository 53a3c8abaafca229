package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/brockdb/brock/test/bench/records"
	"github.com/dgraph-io/badger/v4"
)

// The peer is Badger as it comes, not synced.

func (b *bench) peerDir() string { return filepath.Join(b.dir, "badger") }

func openPeer(dir string) (*badger.DB, error) {
	return badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
}

func (b *bench) fillPeer() error {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return err
	}
	w := db.NewWriteBatch()
	for i := range b.n {
		if err := w.Set(records.Key(i), records.Value(i, 0)); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, db.Close())
	}
	settle()
	return db.Close()
}

func (b *bench) changePeer(db *badger.DB, round int) error {
	w := db.NewWriteBatch()
	for _, i := range records.Changes(b.n, 0.01, round) {
		if err := w.Set(records.Key(i), records.Value(i, round)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// dumpPeer is DB.Backup into a file, synced. It returns the version to go on from.
func dumpPeer(db *badger.DB, file string, since uint64) (uint64, error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	version, err := db.Backup(w, since)
	return version, errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

// loadPeer is DB.Load of such a file into a new store, which is closed and synced.
func loadPeer(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := openPeer(dir)
	if err != nil {
		return err
	}
	return errors.Join(db.Load(bufio.NewReaderSize(f, 1<<20), 256), db.Close(), syncFiles(dir))
}

// copyDir copies the files of a folder and syncs each.
func copyDir(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return eachFile(from, func(path string) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, filepath.Base(path)))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Sync(), out.Close())
	})
}

func syncFiles(dir string) error {
	return eachFile(dir, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

func eachFile(dir string, f func(path string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if err := f(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
