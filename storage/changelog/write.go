package changelog

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/zeebo/xxh3"
)

// writer writes one segment to out. It checks each commit first: a segment never
// carries one that was damaged before.
type writer struct {
	ctx   context.Context
	out   io.Writer
	file  string
	pack  *codec.Packer
	acc   *account
	seed  uint64 // the header's checksum
	sum   *xxh3.Hasher
	total totals
	size  int64

	raw     []byte // commits of the open frame
	commits uint32
	tables  uint64
	buf     []byte // the frame as it is stored
}

func newWriter(ctx context.Context, out io.Writer, file string, h *Head, c Codec, last func(string) (TableState, bool)) (*writer, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	pack, err := codec.NewPacker(c)
	if err != nil {
		return nil, err
	}
	b := h.encode()
	w := &writer{ctx: ctx, out: out, file: file, pack: pack, acc: newAccount(h, last), sum: xxh3.New(),
		seed: binary.BigEndian.Uint64(b[len(b)-sumSize:])}
	return w, w.write(b)
}

// add takes the next commit of the head's i-th table.
func (w *writer) add(i int, c *storage.Commit) error {
	table := w.acc.head.Tables[i].Table
	if problem := w.acc.add(i, c); problem != "" {
		return &storage.DamageError{Table: table, File: w.file, Problem: "not written: " + problem}
	}
	size := commitSize(c)
	if size > maxFrame || len(c.Changes) > maxChanges {
		return fmt.Errorf("table %s: commit of %d changes and %d bytes: %w for the change log: the limits are %d and %d", table,
			len(c.Changes), size, storage.ErrTooLarge, maxChanges, maxFrame)
	}
	if len(w.raw)+size > frameTarget || len(w.raw) >= frameLeast && w.tables != tableBit(i) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.raw = appendCommit(w.raw, i, c)
	w.commits++
	w.tables |= tableBit(i)
	w.total.commits++
	w.total.changes += uint64(len(c.Changes))
	return nil
}

// flush writes the open frame, if it holds anything.
func (w *writer) flush() error {
	if w.commits == 0 {
		return nil
	}
	w.total.frames++
	w.total.raw += uint64(len(w.raw))
	// The head is known after compression: leave room for it, then fill it.
	w.buf = append(w.buf[:0], make([]byte, frameHead)...)
	info := frameInfo{raw: uint32(len(w.raw)), commits: w.commits, tables: w.tables, rawSum: xxh3.Hash(w.raw)}
	w.buf, info.codec = w.pack.Pack(w.buf, w.raw)
	info.stored = uint32(len(w.buf) - frameHead)
	seed := w.seed + w.total.frames
	info.storedSum = xxh3.HashSeed(w.buf[frameHead:], seed)
	info.append(w.buf[:0], seed)
	err := w.write(w.buf)
	w.raw, w.buf = shrink(w.raw), shrink(w.buf)
	w.commits, w.tables = 0, 0
	return err
}

// finish writes the last frame and the end mark, and checks that nothing is missing.
func (w *writer) finish() error {
	for i, s := range w.acc.head.Tables {
		if problem := w.acc.finish(i); problem != "" {
			return &storage.DamageError{Table: s.Table, File: w.file, Problem: "not written: " + problem}
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.total.fileSum = w.sum.Sum64()
	return w.write(w.total.append(nil, w.seed+w.total.frames))
}

func (w *writer) write(b []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	_, _ = w.sum.Write(b)
	n, err := w.out.Write(b)
	w.size += int64(n)
	return err
}
