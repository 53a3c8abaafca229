package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/zeebo/xxh3"
)

// tailName is the file with what the tables of a snapshot lack. It is a frames file
// with another magic, whose entries are a store's own: keys of all its rooms, and in
// place of the envelope one byte (1: deleted) and the value.
const tailName = "000001.tail"

// rawEntry packs an entry of a store as the frames carry it.
func rawEntry(e storage.RawEntry, buf []byte) (storage.Entry, []byte) {
	buf = append(buf[:0], 0)
	if e.Deleted {
		buf[0] = 1
	}
	buf = append(buf, e.Value...)
	return storage.Entry{Key: e.Key, Version: e.Version, Envelope: buf}, buf
}

// openRaw is what [storage.Entry.Open] is to records.
func openRaw(e storage.Entry) (r storage.Record, h storage.Hash, problem string) {
	if len(e.Envelope) == 0 || e.Envelope[0] > 1 {
		return r, h, "entry is cut short"
	}
	raw := unpackRaw(e)
	if problem = raw.Problem(); problem != "" {
		return r, h, problem
	}
	return storage.Record{Key: e.Key, Value: raw.Value, Version: e.Version}, xxh3.Hash128(e.Envelope), ""
}

func unpackRaw(e storage.Entry) storage.RawEntry {
	return storage.RawEntry{Key: e.Key, Version: e.Version, Value: e.Envelope[1:], Deleted: e.Envelope[0] == 1}
}

// writeTail writes and syncs the tail of a snapshot in the folder dir.
func (v *Vault) writeTail(ctx context.Context, dir string, spec SnapshotSpec, tail iter.Seq2[storage.RawEntry, error], o WriteOptions) (info FileInfo, err error) {
	pack, err := codec.NewPacker(framesCodec)
	if err != nil {
		return info, err
	}
	f, err := v.fs.Create(filepath.Join(dir, tailName))
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := &sink{ctx: ctx, file: f, sum: sha256.New(), pace: o.Pace}
	w, err := newFramesWriter(s, framesHeader{tailMagic, spec.Table, spec.Cut, 1}, pack)
	if err != nil {
		return info, err
	}
	var buf []byte
	for raw, err := range tail {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return info, err
		}
		var e storage.Entry
		e, buf = rawEntry(raw, buf)
		r, h, problem := openRaw(e)
		if problem != "" {
			return info, &storage.DamageError{Table: spec.Table, Problem: fmt.Sprintf("key %.80q: %s; no backup was made of it", raw.Key, problem)}
		}
		if err := w.add(e, &r, h); err != nil {
			return info, err
		}
	}
	if err := w.finish(); err != nil {
		return info, err
	}
	return FileInfo{Name: tailName, Kind: KindTail, Size: s.size, SHA256: hex.EncodeToString(s.sum.Sum(nil)), Records: w.ledger.Records}, f.Sync()
}

// tail yields the tail of a snapshot, checked; the last pair carries the error.
func (v *Vault) tail(ctx context.Context, m *Manifest) iter.Seq2[storage.RawEntry, error] {
	return func(yield func(storage.RawEntry, error) bool) {
		var keys ascending
		_, err := v.readPart(ctx, m, len(m.Files)-1, &keys, func(e storage.Entry, _ *storage.Record, _ storage.Hash) error {
			if !yield(unpackRaw(e), nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(storage.RawEntry{}, err)
		}
	}
}
