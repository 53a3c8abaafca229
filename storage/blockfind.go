package storage

import (
	"encoding/binary"

	"github.com/dgraph-io/badger/v4/y"
)

// newest is the newest entry of a key that tables have, as a check found it.
type newest struct {
	version Version
	deleted bool
	in      *openTable
}

// take takes the entry of a table where it is newer.
func (n *newest) take(t *openTable, key []byte, meta byte) {
	if _, v, ok := splitVersion(key); ok && v > n.version {
		*n = newest{version: v, deleted: meta&bitDelete != 0, in: t}
	}
}

// seekEntry returns the first entry of a block (see [tableCheck.entries]) at or behind a
// key with its version; ok is false where there is none, or the block makes no sense. key
// is the caller's scratch.
func seekEntry(block, seek, scratch []byte) (key []byte, meta byte, ok bool) {
	if len(block) < 4 {
		return scratch, 0, false
	}
	n := int64(binary.BigEndian.Uint32(block[len(block)-4:]))
	end := int64(len(block)) - 4 - 4*n
	if n == 0 || end < 0 {
		return scratch, 0, false
	}
	list := block[end : len(block)-4]
	entry := func(i int64) (key, value []byte, ok bool) {
		at := int64(binary.LittleEndian.Uint32(list[4*i:]))
		if at > end-4 {
			return scratch, nil, false
		}
		b := block[at:end]
		shared, rest := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
		first := block[4:end] // the first entry shares nothing
		if b = b[4:]; rest+1 > len(b) || shared > len(first) {
			return scratch, nil, false
		}
		return append(append(scratch[:0], first[:shared]...), b[:rest]...), b[rest:], true
	}
	low, high := int64(0), n // the entry lies in [low, high]
	for low < high {
		middle := (low + high) / 2
		if key, _, ok = entry(middle); !ok {
			return key, 0, false
		}
		if scratch = key; y.CompareKeys(key, seek) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == n {
		return scratch, 0, false
	}
	key, value, ok := entry(low)
	if !ok {
		return key, 0, false
	}
	return key, value[0], true
}
