package changelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/zeebo/xxh3"
)

// errStopped says that the consumer wants no more; it never leaves the package.
var errStopped = errors.New("stopped")

// reader reads one segment and believes nothing: lengths are compared with limits
// and with the file's size before memory is taken, a frame may not decompress to
// more than it says, and all counts must agree in the end. It holds one frame
// compressed and one raw: at most 2 × 32 MiB and zstd's tables.
type reader struct {
	ctx  context.Context
	in   io.ReaderAt
	size int64 // of the file
	file string
	want span // by the file's name

	off    int64
	seed   uint64
	head   Head
	total  totals
	sum    *xxh3.Hasher // nil once something was skipped
	buf    []byte
	unpack codec.Unpacker
}

func newReader(ctx context.Context, in io.ReaderAt, size int64, file string, want span) *reader {
	return &reader{ctx: ctx, in: in, size: size, file: file, want: want, sum: xxh3.New(), unpack: codec.Unpacker{Max: maxFrame}}
}

// readHead reads the header. Errors are [storage.DamageError], or [FormatError] for an
// intact header of a later format; those keep what is checked before the format.
func (r *reader) readHead() error {
	b, err := r.next(headLead, "the header")
	if err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return r.damage(0, "", nil, "is no segment of a change log")
	}
	size := int64(binary.BigEndian.Uint32(b[headLead-4:]))
	if size < int64(headLead+sumSize) || size > int64(maxHead) {
		return r.damage(0, "", nil, "header with an impossible length")
	}
	r.off = 0
	if b, err = r.next(int(size), "the header"); err != nil {
		return err
	}
	if !sealed(b, 0) {
		return r.damage(0, "", nil, "header does not match its checksum")
	}
	if f := int(binary.BigEndian.Uint16(b[len(magic):])); f != format {
		return &FormatError{File: r.file, Format: f, Known: format}
	}
	var problem string
	if r.head, problem = parseHead(b); problem != "" {
		return r.damage(0, "", nil, "%s", problem)
	}
	if (span{r.head.From, r.head.To}) != r.want {
		return r.damage(0, "", nil, "holds the versions from %d to %d, its name says another", r.head.From, r.head.To)
	}
	r.seed = binary.BigEndian.Uint64(b[len(b)-sumSize:])
	_, _ = r.sum.Write(b)
	return nil
}

// frames yields the commits of all tables, or of the one at index only, checked. What
// it yields is the consumer's to keep. All errors but the consumer's and ctx's are
// [storage.DamageError].
func (r *reader) frames(only int, acc *account, yield func(table int, c storage.Commit) error) error {
	defer r.unpack.Close()
	for {
		at := r.off
		b, err := r.next(frameHead, "a frame")
		if err != nil {
			return err
		}
		switch b[0] {
		case kindFrame:
			err = r.frame(at, b, only, acc, yield)
		case kindEnd:
			return r.end(at, only, acc)
		default:
			err = r.damage(at, "", nil, "neither a frame nor the end mark")
		}
		if err != nil {
			return err
		}
	}
}

// frame reads the frame whose head is read.
func (r *reader) frame(at int64, head []byte, only int, acc *account, yield func(int, storage.Commit) error) error {
	r.total.frames++
	seed := r.seed + r.total.frames
	info := parseFrameInfo(head)
	if !sealed(head, seed) || !info.possible() {
		return r.damage(at, "", nil, "head of a frame does not match its checksum")
	}
	r.total.raw += uint64(info.raw)
	if only >= 0 && info.tables&tableBit(only) == 0 {
		r.total.commits += uint64(info.commits)
		r.sum = nil
		return r.skip(int64(info.stored))
	}
	r.count(head)
	stored, err := r.next(int(info.stored), "a frame")
	if err != nil {
		return err
	}
	r.count(stored)
	if xxh3.HashSeed(stored, seed) != info.storedSum {
		return r.damage(at, "", nil, "frame does not match its checksum")
	}
	raw, err := r.unpack.Unpack(info.codec, stored, int(info.raw))
	if err != nil {
		return r.damage(at, "", err, "frame does not decompress")
	}
	if len(raw) != int(info.raw) || xxh3.Hash(raw) != info.rawSum {
		return r.damage(at, "", nil, "content of a frame does not match its checksum")
	}
	return r.commits(at, raw, info, only, acc, yield)
}

func (r *reader) commits(at int64, raw []byte, info frameInfo, only int, acc *account, yield func(int, storage.Commit) error) error {
	s := scanner{b: raw}
	var tables uint64
	for n := info.commits; n > 0; n-- {
		table, c, problem := s.commit()
		if problem == "" && table >= uint64(len(r.head.Tables)) {
			problem = "commit of a table that the header does not name"
		}
		if problem != "" {
			return r.damage(at, "", nil, "%s", problem)
		}
		i := int(table)
		tables |= tableBit(i)
		r.total.commits++
		r.total.changes += uint64(len(c.Changes))
		if only >= 0 && i != only {
			continue
		}
		if problem := acc.add(i, &c); problem != "" {
			return r.damage(at, r.head.Tables[i].Table, nil, "%s", problem)
		}
		if err := yield(i, c); err != nil {
			return err
		}
	}
	if len(s.b) > 0 || tables != info.tables {
		return r.damage(at, "", nil, "frame holds other commits than it says")
	}
	return nil
}

// end reads the end mark, whose first bytes are read, and compares.
func (r *reader) end(at int64, only int, acc *account) error {
	r.off = at
	b, err := r.next(endSize, "the end mark")
	if err != nil {
		return err
	}
	if !sealed(b, r.seed+r.total.frames) {
		return r.damage(at, "", nil, "end mark does not match its checksum")
	}
	if r.off != r.size {
		return r.damage(r.off, "", nil, "%d bytes after the end mark", r.size-r.off)
	}
	said := parseTotals(b)
	if r.total.frames != said.frames || r.total.commits != said.commits || r.total.raw != said.raw {
		return r.damage(at, "", nil, "end mark counts other commits than the segment holds")
	}
	if r.sum != nil && (r.total.changes != said.changes || r.sum.Sum64() != said.fileSum) {
		return r.damage(at, "", nil, "end mark does not match the whole file")
	}
	for i, s := range r.head.Tables {
		if only >= 0 && i != only {
			continue
		}
		if problem := acc.finish(i); problem != "" {
			return r.damage(at, s.Table, nil, "%s", problem)
		}
	}
	return nil
}

// next returns the next n bytes, until it is called again.
func (r *reader) next(n int, what string) ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if int64(n) > r.size-r.off {
		return nil, r.damage(r.size, "", nil, "ends inside %s", what)
	}
	r.buf = shrink(r.buf)
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	got, err := r.in.ReadAt(r.buf, r.off)
	r.off += int64(got)
	if got < n {
		return nil, r.damage(r.off, "", err, "cannot be read")
	}
	return r.buf, nil
}

func (r *reader) skip(n int64) error {
	if n > r.size-r.off {
		return r.damage(r.size, "", nil, "ends inside a frame")
	}
	r.off += n
	return nil
}

// count enters bytes into the checksum of the file, as long as it is whole.
func (r *reader) count(b []byte) {
	if r.sum != nil {
		_, _ = r.sum.Write(b)
	}
}

func (r *reader) damage(at int64, table string, cause error, format string, args ...any) error {
	return &storage.DamageError{Table: table, File: r.file, Offset: at, Problem: fmt.Sprintf(format, args...), Err: cause}
}
