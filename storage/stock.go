package storage

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// A backup of stock Badger (DB.Backup, badger backup) is a row of frames: the length
// of a message, 8 bytes little-endian, and the message, a list of entries. It has no
// checksums, no mark at its end, and nothing says how many entries there are.

// stockFrame is about how large the frames are that we write; bytes.
const stockFrame = 1 << 20

// stockHidden starts the keys that stock Badger keeps for itself and shows nobody.
const stockHidden = "!badger!"

// StockWriter writes records as a backup of stock Badger, which badger restore and
// DB.Load read: keys and values as they are, each at its own version. Expiry is in
// whole seconds there, so it is rounded up: no record is gone before its time.
type StockWriter struct {
	w    io.Writer
	list pb.KVList
	size int
}

// NewStockWriter returns a writer. Flush it at the end.
func NewStockWriter(w io.Writer) *StockWriter { return &StockWriter{w: w} }

// Add writes a record. One whose key stock Badger would hide is refused with an error
// that matches [ErrInvalid].
func (s *StockWriter) Add(r Record) error {
	if strings.HasPrefix(string(r.Key), stockHidden) {
		return fmt.Errorf("%w: stock Badger hides keys that begin with %s, such as %.80q; export the table as JSON lines", ErrInvalid, stockHidden, r.Key)
	}
	kv := &pb.KV{Key: r.Key, Value: r.Value, Version: uint64(r.Version)}
	if !r.ExpiresAt.IsZero() {
		kv.ExpiresAt = uint64((r.ExpiresAt.UnixMilli() + 999) / 1000)
	}
	s.list.Kv = append(s.list.Kv, kv)
	if s.size += len(r.Key) + len(r.Value); s.size >= stockFrame {
		return s.Flush()
	}
	return nil
}

// Flush writes what was added as a frame.
func (s *StockWriter) Flush() error {
	if len(s.list.Kv) == 0 {
		return nil
	}
	frame, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 8, 8+s.size+32*len(s.list.Kv)), &s.list)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(frame, uint64(len(frame)-8))
	s.list.Kv, s.size = s.list.Kv[:0], 0
	_, err = s.w.Write(frame)
	return err
}
