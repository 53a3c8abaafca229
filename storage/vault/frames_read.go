package vault

import (
	"bytes"
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

// framesReader reads one frames file and believes nothing: lengths are compared
// with limits and with the file's size before memory is taken, a frame may not
// decompress to more than it says, and all counts must agree in the end. It holds
// one frame compressed and one raw: at most 2 × 32 MiB and a decoder's tables.
type framesReader struct {
	in   io.Reader
	off  int64 // bytes read
	size int64 // of the file
	file string
	want framesHeader
	// anyCut takes the cut from the file: nobody knows which it should be.
	anyCut bool
	unpack *codec.Unpacker
	keys   *ascending // goes on from file to file

	seed   uint64
	frames uint64
	ledger storage.Ledger
	buf    []byte
}

// run yields every entry of the file, checked. Entries are the consumer's to keep.
// All errors but errStopped are [storage.DamageError].
func (r *framesReader) run(yield func(storage.Entry, *storage.Record, storage.Hash) error) error {
	if err := r.header(); err != nil {
		return err
	}
	for {
		at := r.off
		kind, err := r.read(1, "a frame")
		if err != nil {
			return err
		}
		switch kind[0] {
		case kindFrame:
			err = r.frame(at, yield)
		case kindEnd:
			return r.end(at)
		default:
			err = r.damage(at, nil, "neither a frame nor the end mark")
		}
		if err != nil {
			return err
		}
	}
}

func (r *framesReader) header() error {
	b, err := r.read(headerFixed, "the header")
	if err != nil {
		return err
	}
	if string(b[:len(framesMagic)]) != r.want.Magic {
		return r.damage(0, nil, "is no frames file")
	}
	if format := int(binary.BigEndian.Uint16(b[len(framesMagic):])); format != framesFormat {
		return r.damage(0, &FormatError{File: r.file, Format: format, Known: framesFormat}, "has an unknown format")
	}
	if b, err = r.extend(int(b[headerFixed-1])+8+4+sumSize, "the header"); err != nil {
		return err
	}
	var head framesHeader
	if !head.parse(b) {
		return r.damage(0, nil, "header does not match its checksum")
	}
	if r.anyCut {
		r.want.Cut = head.Cut
	}
	if head != r.want {
		return r.damage(0, nil, "is part %d of table %.64q at cut %d, expected part %d of %s at %d", head.Part, head.Table, head.Cut, r.want.Part, r.want.Table, r.want.Cut)
	}
	r.seed = binary.BigEndian.Uint64(b[len(b)-sumSize:])
	return nil
}

// frame reads the frame whose kind byte is read.
func (r *framesReader) frame(at int64, yield func(storage.Entry, *storage.Record, storage.Hash) error) error {
	b, err := r.extend(frameHead-1, "a frame's head")
	if err != nil {
		return err
	}
	info := parseFrameInfo(b)
	if info.raw > maxFrame || info.stored > info.raw || info.records == 0 || info.records > info.raw {
		return r.damage(at, nil, "frame with impossible lengths")
	}
	if b, err = r.extend(int(info.stored)+sumSize, "a frame"); err != nil {
		return err
	}
	r.frames++
	if !checkSum(b, r.seed+r.frames) {
		return r.damage(at, nil, "frame does not match its checksum")
	}
	raw, err := r.decompress(b[frameHead:len(b)-sumSize], info)
	if err != nil {
		return r.damage(at, err, "frame does not decompress")
	}
	return r.entries(at, raw, info.records, yield)
}

// open checks an entry by what it carries in itself.
func (r *framesReader) open(e storage.Entry) (storage.Record, storage.Hash, string) {
	if r.want.Magic == tailMagic {
		return openRaw(e)
	}
	return e.Open()
}

func (r *framesReader) decompress(stored []byte, info frameInfo) ([]byte, error) {
	raw, err := r.unpack.Unpack(info.codec, stored, int(info.raw))
	if err != nil {
		return nil, err
	}
	if len(raw) != int(info.raw) || xxh3.Hash(raw) != info.rawSum {
		return nil, errors.New("content does not match its checksum")
	}
	return raw, nil
}

func (r *framesReader) entries(at int64, raw []byte, records uint32, yield func(storage.Entry, *storage.Record, storage.Hash) error) error {
	for ; records > 0; records-- {
		e, rest, ok := cutEntry(raw)
		if !ok {
			return r.damage(at, nil, "frame holds fewer records than it says")
		}
		raw = rest
		rec, h, problem := r.open(e)
		switch {
		case problem != "":
			return r.damage(at, nil, "key %.80q: %s", e.Key, problem)
		case e.Version > r.want.Cut:
			return r.damage(at, nil, "key %.80q has version %d, after the cut %d", e.Key, e.Version, r.want.Cut)
		case !r.keys.ok(e.Key):
			return r.damage(at, nil, "key %.80q is out of order", e.Key)
		}
		r.ledger.Add(&rec, h)
		if err := yield(e, &rec, h); err != nil {
			return err
		}
	}
	if len(raw) > 0 {
		return r.damage(at, nil, "frame holds more than its records")
	}
	return nil
}

// end reads the end mark whose kind byte is read, and compares.
func (r *framesReader) end(at int64) error {
	b, err := r.extend(endMark-1+sumSize, "the end mark")
	if err != nil {
		return err
	}
	if !checkSum(b, r.seed+r.frames) {
		return r.damage(at, nil, "end mark does not match its checksum")
	}
	if !bytes.Equal(b[:endMark], appendEnd(nil, r.frames, r.ledger)) {
		return r.damage(at, nil, "end mark counts other records than the file holds")
	}
	if r.off != r.size {
		return r.damage(r.off, nil, "%d bytes after the end mark", r.size-r.off)
	}
	return nil
}

// read replaces the buffer by the next n bytes.
func (r *framesReader) read(n int, what string) ([]byte, error) {
	r.buf = shrink(r.buf)
	return r.extend(n, what)
}

// extend appends the next n bytes to the buffer and returns all of it.
func (r *framesReader) extend(n int, what string) ([]byte, error) {
	if int64(n) > r.size-r.off {
		return nil, r.damage(r.size, nil, "ends inside %s", what)
	}
	old := len(r.buf)
	r.buf = append(r.buf, make([]byte, n)...)
	got, err := io.ReadFull(r.in, r.buf[old:])
	r.off += int64(got)
	if err != nil {
		return nil, r.damage(r.off, err, "cannot be read")
	}
	return r.buf, nil
}

func (r *framesReader) damage(at int64, cause error, format string, args ...any) error {
	return &storage.DamageError{Table: r.want.Table, File: r.file, Offset: at, Problem: fmt.Sprintf(format, args...), Err: cause}
}
