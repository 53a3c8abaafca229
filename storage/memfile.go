package storage

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

const (
	bitTxn      = 1 << 6   // the entry is one of a transaction
	bitFinTxn   = 1 << 7   // it ends one
	maxMemBytes = 64 << 20 // Badger makes them twice the size of a memtable
)

var finKey = []byte("!badger!txn")

// memFile is the log of a memtable: what was committed and is in no table yet.
//
//	head, 20 | entries, see [source.logEntry] | zeros
//
// Each commit is a transaction of its own version, that ends with an entry of its own.
type memFile struct {
	name  string
	data  []byte
	end   int64     // of the last whole transaction
	last  Version   // of the last whole transaction
	ends  []int64   // where the entries of whole transactions begin
	after []Version // whole ends of transactions behind the first broken entry
	chain commitChain
}

// used reads the file without the zeros at its end, which are most of it. Some of them
// are kept: the last entry may end in zeros.
func (s *source) used() ([]byte, error) {
	const step = 128 << 10
	var b []byte
	piece, empty, zeros := make([]byte, step), make([]byte, step), int64(0)
	for at := int64(0); at < s.size; at += step {
		piece = piece[:min(step, s.size-at)]
		if err := s.read(piece, at); err != nil {
			return nil, err
		}
		if at > 0 && bytes.Equal(piece, empty[:len(piece)]) {
			zeros += int64(len(piece))
			continue
		}
		b = append(append(b, make([]byte, zeros)...), piece...)
		zeros = 0
	}
	return append(b, make([]byte, min(zeros, step))...), nil
}

// read goes through the entries as Badger does.
func (m *memFile) read() {
	m.end = logHeadBytes
	var begins []int64
	txn := Version(0)
	for at := m.end; ; {
		e, ok := memEntryAt(m.data, at)
		if !ok {
			break
		}
		next := at + e.size
		switch {
		case e.meta&bitTxn != 0:
			if txn != 0 && txn != e.version {
				m.search()
				return
			}
			txn = e.version
			begins = append(begins, at)
		case e.meta&bitFinTxn != 0:
			if string(e.value) != strconv.FormatUint(uint64(txn), 10) {
				m.search()
				return
			}
			for _, at := range begins {
				e, _ := memEntryAt(m.data, at)
				m.chain.entry(e)
			}
			m.chain.commit()
			m.ends, begins = append(m.ends, begins...), begins[:0]
			m.end, m.last, txn = next, max(m.last, e.version), 0
		case txn != 0:
			m.search()
			return
		default:
			m.chain.again(e)
			m.ends = append(m.ends, at)
			m.end, m.last = next, max(m.last, e.version)
		}
		at = next
	}
	m.search()
}

// search looks for ends of later transactions behind the last whole one.
func (m *memFile) search() {
	for at := m.end; ; {
		i := bytes.Index(m.data[at:], finKey)
		if i < 0 {
			return
		}
		at += int64(i)
		// The key follows two bytes of flags and three lengths of a byte each.
		if e, ok := memEntryAt(m.data, at-5); ok && e.meta&bitFinTxn != 0 && e.version > m.last && string(e.value) == strconv.FormatUint(uint64(e.version), 10) {
			m.after = append(m.after, e.version)
		}
		at += int64(len(finKey))
	}
}

// each calls back for every entry that Badger will take.
func (m *memFile) each(f func(full []byte, v Version)) {
	for _, at := range m.ends {
		e, _ := memEntryAt(m.data, at)
		f(e.key, e.version)
	}
}

type memEntry struct {
	meta    byte
	key     []byte // with its version
	value   []byte
	version Version
	size    int64
}

// memEntryAt reads and checks the entry at the offset.
func memEntryAt(b []byte, at int64) (e memEntry, ok bool) {
	if at < 0 || at >= int64(len(b)) {
		return e, false
	}
	b = b[at:]
	head, key, value, ok := logEntryHead(b[:min(len(b), maxEntryHead)])
	e.size = int64(head) + key + value + crc32.Size
	if !ok || e.size > int64(len(b)) {
		return e, false
	}
	data := b[:e.size-crc32.Size]
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(b[e.size-crc32.Size:]) {
		return e, false
	}
	e.meta, e.key, e.value = b[0], data[head:int64(head)+key], data[int64(head)+key:]
	_, e.version, ok = splitVersion(e.key)
	return e, ok
}
