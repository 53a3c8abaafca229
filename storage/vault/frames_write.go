package vault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/zeebo/xxh3"
)

// framesWriter writes one frames file to out. It checks each entry first: a frames
// file never carries a record that was damaged before.
type framesWriter struct {
	out    io.Writer
	head   framesHeader
	pack   *codec.Packer
	seed   uint64 // the header's checksum
	frames uint64
	ledger storage.Ledger

	raw     []byte // entries of the open frame
	records uint32
	buf     []byte // the frame as it is stored
}

func newFramesWriter(out io.Writer, head framesHeader, pack *codec.Packer) (*framesWriter, error) {
	b := head.encode()
	w := &framesWriter{out: out, head: head, pack: pack, seed: binary.BigEndian.Uint64(b[len(b)-sumSize:])}
	_, err := out.Write(b)
	return w, err
}

// add takes a checked entry with its record and hash; the caller keeps keys ascending.
func (w *framesWriter) add(e storage.Entry, r *storage.Record, h storage.Hash) error {
	size := entrySize(e)
	if size > maxFrame {
		return fmt.Errorf("table %s: record of %d bytes: %w for a snapshot: the limit is %d", w.head.Table, size, storage.ErrTooLarge, maxFrame)
	}
	if len(w.raw)+size > frameTarget {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.raw = appendEntry(w.raw, e)
	w.records++
	w.ledger.Add(r, h)
	return nil
}

// flush writes the open frame, if it holds anything.
func (w *framesWriter) flush() error {
	if w.records == 0 {
		return nil
	}
	info := frameInfo{raw: uint32(len(w.raw)), records: w.records, rawSum: xxh3.Hash(w.raw)}
	w.frames++
	// The stored size is known after compression: leave room for the head, then fill it.
	w.buf = append(w.buf[:0], make([]byte, frameHead)...)
	w.buf, info.codec = w.pack.Pack(w.buf, w.raw)
	info.stored = uint32(len(w.buf) - frameHead)
	info.append(w.buf[:0])
	w.buf = appendSum(w.buf, w.seed+w.frames)
	w.raw, w.records = shrink(w.raw), 0
	_, err := w.out.Write(w.buf)
	w.buf = shrink(w.buf)
	return err
}

// shrink empties a buffer, and drops it when one large record blew it up.
func shrink(b []byte) []byte {
	if cap(b) > 4*frameTarget {
		return nil
	}
	return b[:0]
}

// finish writes the last frame and the end mark.
func (w *framesWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	_, err := w.out.Write(appendSum(appendEnd(nil, w.frames, w.ledger), w.seed+w.frames))
	return err
}

// ascending refuses keys that do not rise; the zero value has seen none.
type ascending struct {
	last []byte
	seen bool
}

func (a *ascending) ok(key []byte) bool {
	if a.seen && bytes.Compare(key, a.last) <= 0 {
		return false
	}
	a.last, a.seen = append(a.last[:0], key...), true
	return true
}
