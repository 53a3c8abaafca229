package storage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

const (
	// stockFrameMost is far more than Badger puts into a frame (about 100 MiB).
	stockFrameMost = 1 << 30
	stockEntryMost = MaxKeyBytes + MaxValueBytes + 128

	stockList  = 1<<3 | 2 // tag of an entry in a list
	stockAlloc = 10 << 3  // tag of a number there that means nothing on disk

	stockDeleted = 1 << 0 // of an entry's meta, as Badger has it
	stockMerge   = 1 << 3

	// stockLastExpiry is the end of the year 9999, in seconds.
	stockLastExpiry = 253402300799
)

// StockEntry is an entry of a backup of stock Badger: one version of one key.
type StockEntry struct {
	Key, Value []byte
	Version    uint64
	ExpiresAt  uint64 // seconds since 1970; 0: never
	Deleted    bool
	Merge      bool // an operand of Badger's merge operator, not a value
	UserMeta   byte
}

// StockError says that a file is no whole backup of stock Badger. It matches
// [ErrInvalid].
type StockError struct {
	Frame   int   // in which frame, from 1; 0: none
	Offset  int64 // of that frame in the unpacked file, in bytes
	Problem string
	Err     error // the cause, or nil
}

func (e *StockError) Error() string {
	s := "it is no whole backup of Badger: "
	if e.Frame > 0 {
		s += fmt.Sprintf("frame %d at byte %d: ", e.Frame, e.Offset)
	}
	s += e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; make it again with badger backup"
}

// Is makes every StockError match [ErrInvalid].
func (e *StockError) Is(target error) bool { return target == ErrInvalid }

// Unwrap returns the cause.
func (e *StockError) Unwrap() error { return e.Err }

// ReadStock yields the entries of a backup of stock Badger, in the order of the file;
// several versions of a key and deletions are among them. An entry's slices are the
// caller's to keep. It ends after an error: a [StockError] for what is empty, cut off
// or cannot be read, whatever a damaged length says, in a few times the memory of the
// largest record. The format has no checksums and no end mark: that bytes were changed
// in place, and that whole frames are missing at the end, nobody can tell.
func ReadStock(r io.Reader) iter.Seq2[StockEntry, error] {
	return func(yield func(StockEntry, error) bool) {
		s := &stockReader{in: bufio.NewReaderSize(r, 64<<10)}
		n := 0
		for {
			more, err := s.frame()
			if err == nil && !more && n == 0 {
				err = &StockError{Problem: "it is empty"}
			}
			for err == nil && s.left > 0 {
				var e *StockEntry
				if e, err = s.entry(); err == nil && e != nil {
					if n++; !yield(*e, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(StockEntry{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// stockReader reads frame by frame, and of a frame entry by entry: its length may be
// damaged, and nothing is held in memory on its word.
type stockReader struct {
	in   *bufio.Reader
	n    int   // frames begun
	off  int64 // where the frame begins
	next int64 // where the next one does, by its length
	left int64 // bytes of it that are not read
}

func (s *stockReader) bad(err error, format string, args ...any) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		format, args, err = "the file ends in the middle: it is cut off, or a length in it is damaged", nil, nil
	}
	return &StockError{Frame: s.n, Offset: s.off, Problem: fmt.Sprintf(format, args...), Err: err}
}

// failed tells a file that is wrong from one that cannot be read.
func (s *stockReader) failed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.bad(err, "")
	}
	return err
}

// frame begins the next frame; more is false at the end of the file.
func (s *stockReader) frame() (more bool, err error) {
	var b [8]byte
	s.off = s.next
	if n, err := io.ReadFull(s.in, b[:]); n == 0 && errors.Is(err, io.EOF) {
		return false, nil
	} else if s.n++; err != nil {
		return true, s.failed(err)
	}
	size := binary.LittleEndian.Uint64(b[:])
	if size > stockFrameMost {
		return true, s.bad(nil, "it says that it has %d bytes, which no frame has: the length is damaged, or this is no such file", size)
	}
	s.left = int64(size)
	s.next = s.off + 8 + s.left
	return true, nil
}

// entry reads the frame's next entry; nil for what is none.
func (s *stockReader) entry() (*StockEntry, error) {
	tag, err := s.uvarint()
	if err != nil {
		return nil, err
	}
	size, err := s.uvarint()
	switch {
	case err != nil:
		return nil, err
	case tag == stockAlloc: // its number is read
		return nil, nil
	case tag != stockList:
		return nil, s.bad(nil, "it holds something that is no entry")
	case size > uint64(s.left):
		return nil, s.bad(nil, "an entry reaches behind its end: a length is damaged")
	case size > stockEntryMost:
		return nil, fmt.Errorf("frame %d at byte %d: an entry of %d bytes: %w: a record has at most %d bytes as its key and %d as its value; or a length is damaged",
			s.n, s.off, size, ErrTooLarge, MaxKeyBytes, MaxValueBytes)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(s.in, b); err != nil {
		return nil, s.failed(err)
	}
	s.left -= int64(size)
	return s.decode(b)
}

func (s *stockReader) uvarint() (n uint64, err error) {
	for shift := uint(0); shift < 64; shift += 7 {
		if s.left == 0 {
			return 0, s.bad(nil, "it ends in the middle of an entry: a length is damaged")
		}
		b, err := s.in.ReadByte()
		if err != nil {
			return 0, s.failed(err)
		}
		s.left--
		if n |= uint64(b&0x7f) << shift; b < 0x80 {
			return n, nil
		}
	}
	return 0, s.bad(nil, "a length in it is none")
}

func (s *stockReader) decode(b []byte) (*StockEntry, error) {
	var kv pb.KV
	if err := proto.Unmarshal(b, &kv); err != nil {
		return nil, s.bad(err, "an entry cannot be decoded")
	}
	if kv.StreamDone {
		return nil, nil
	}
	e := &StockEntry{Key: kv.Key, Value: kv.Value, Version: kv.Version, ExpiresAt: kv.ExpiresAt}
	var meta byte
	if len(kv.Meta) > 0 {
		meta = kv.Meta[0]
	}
	if len(kv.UserMeta) > 0 {
		e.UserMeta = kv.UserMeta[0]
	}
	e.Deleted, e.Merge = meta&stockDeleted != 0, meta&stockMerge != 0
	problem := ""
	switch {
	case len(kv.ProtoReflect().GetUnknown()) > 0:
		problem = "has fields that Badger does not write"
	case len(kv.Meta) > 1 || len(kv.UserMeta) > 1:
		problem = "has more meta bytes than one"
	case len(kv.Key) == 0:
		problem = "has no key"
	case kv.Version > math.MaxInt64 || kv.Version == 0 && !e.Deleted:
		problem = fmt.Sprintf("has version %d, which is none", kv.Version)
	case kv.ExpiresAt > stockLastExpiry:
		problem = fmt.Sprintf("expires at second %d, which is no time", kv.ExpiresAt)
	}
	if problem != "" {
		return nil, s.bad(nil, "entry of key %.80q %s", kv.Key, problem)
	}
	return e, nil
}
