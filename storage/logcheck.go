package storage

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	logHeadBytes     = 20 // key id (0: not encrypted), and a random start that only encryption uses
	maxEntryHead     = 22
	maxLogEntryBytes = maxEntryHead + 1 + MaxKeyBytes + 8 + envelopeMaximum + MaxValueBytes + crc32.Size
)

// CheckValueLog reads the first size bytes of one of Badger's value-log files and
// checks every entry: its checksum, and as a record against its own envelope. size
// must be where an entry ends, as [TableSum] says. It holds one entry. What is wrong
// is a [DamageError].
func CheckValueLog(r io.ReaderAt, size int64) error { return CopyValueLog(io.Discard, r, size) }

// CopyValueLog is [CheckValueLog], and writes to w what it has checked.
func CopyValueLog(w io.Writer, r io.ReaderAt, size int64) error {
	s := &source{r: r, size: size}
	head := make([]byte, logHeadBytes)
	if err := s.read(head, 0); err != nil {
		return err
	}
	if binary.BigEndian.Uint64(head) != 0 {
		return s.damage(0, "the value log says that it is encrypted")
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	var b []byte
	for at := int64(logHeadBytes); at != size; at += int64(len(b)) {
		var err error
		if b, err = s.logEntry(b, at); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// logEntry reads and checks the entry at the offset:
//
//	meta, 1 | user meta, 1 | varints: length of key, of value, expiry | key | value | CRC-32C, 4
func (s *source) logEntry(b []byte, at int64) ([]byte, error) {
	b = grow(b, int(min(maxEntryHead, max(s.size-at, 0))))
	if err := s.read(b, at); err != nil {
		return nil, err
	}
	head, key, value, ok := logEntryHead(b)
	if !ok || at+int64(head)+key+value+crc32.Size > s.size {
		return nil, s.damage(at, "no entry of the value log begins or ends here")
	}
	b = grow(b, head+int(key+value)+crc32.Size)
	if err := s.read(b, at); err != nil {
		return nil, err
	}
	data, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, s.damage(at, "an entry of the value log does not match its checksum")
	}
	k, v, ok := splitVersion(data[head : head+int(key)])
	e := RawEntry{Key: k, Version: v, Value: data[head+int(key):]}
	if !ok {
		return nil, s.damage(at, "an entry of the value log has no version")
	}
	if problem := e.Problem(); problem != "" {
		return nil, s.damage(at, problem)
	}
	return b, nil
}

// logEntryHead returns the lengths of an entry's head, key and value.
func logEntryHead(b []byte) (head int, key, value int64, ok bool) {
	r := bytes.NewReader(b[min(2, len(b)):])
	k, err1 := binary.ReadUvarint(r)
	v, err2 := binary.ReadUvarint(r)
	x, err3 := binary.ReadUvarint(r)
	head = len(b) - r.Len()
	ok = err1 == nil && err2 == nil && err3 == nil && x == 0 && k <= maxLogEntryBytes && v <= maxLogEntryBytes
	return head, int64(k), int64(v), ok && int64(head)+int64(k+v)+crc32.Size <= maxLogEntryBytes
}
