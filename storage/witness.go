package storage

import (
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"

	"github.com/brockdb/brock/storage/disk"
	"github.com/zeebo/xxh3"
)

// witness is a small file beside the store with the last acknowledged version. It
// is never synced: it may fall behind the store, never run ahead of it, so a store
// that ends before its witness has silently lost its tail.
type witness struct{ f disk.File }

const witnessName = "WITNESS"

// openWitness opens the witness in dir and returns what it saw last; a missing or
// torn one has seen nothing.
func openWitness(dir string) (*witness, Version, error) {
	f, err := disk.OS.OpenWrite(filepath.Join(dir, witnessName))
	if err != nil {
		return nil, 0, err
	}
	var b [16]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &witness{f}, 0, nil
		}
		return nil, 0, errors.Join(err, f.Close())
	}
	if binary.BigEndian.Uint64(b[8:]) != xxh3.Hash(b[:8]) {
		return &witness{f}, 0, nil
	}
	return &witness{f}, Version(binary.BigEndian.Uint64(b[:8])), nil
}

// LastSeen returns the last version that a store in dir, which need not open, is known
// to have acknowledged; 0 where its witness is not there or cannot be read.
func LastSeen(dir string) Version {
	f, err := disk.OS.Open(filepath.Join(dir, witnessName))
	if err != nil {
		return 0
	}
	defer f.Close()
	var b [16]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || binary.BigEndian.Uint64(b[8:]) != xxh3.Hash(b[:8]) {
		return 0
	}
	return Version(binary.BigEndian.Uint64(b[:8]))
}

func (w *witness) saw(v Version) error {
	b := be64(make([]byte, 0, 16), uint64(v))
	_, err := w.f.WriteAt(be64(b, xxh3.Hash(b)), 0)
	return err
}

func (w *witness) close() error { return w.f.Close() }
