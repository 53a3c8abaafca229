package storage

import (
	"bytes"
	"encoding/binary"
)

// entries checks the entries of a block, whose bytes match their checksum, and says
// in words what is wrong:
//
//	entries | offset of each, 4 | their number, 4
//	entry: length shared with the first key, 2 | length of the rest, 2 | rest | value
func (c *tableCheck) entries(b, first []byte) (problem string) {
	const broken = "a block's list of entries makes no sense"
	if len(b) < 4 {
		return broken
	}
	n := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	end := int64(len(b)) - 4 - 4*n
	if n == 0 || end < 0 {
		return broken
	}
	var base []byte
	for i, list := int64(0), b[end:len(b)-4]; i < n; i++ {
		from, to := int64(binary.LittleEndian.Uint32(list[4*i:])), end
		if i+1 < n {
			to = int64(binary.LittleEndian.Uint32(list[4*i+4:]))
		}
		if from > to || to > end || to-from < 4 || i == 0 && from != 0 {
			return broken
		}
		if base, problem = c.entry(b[from:to], base); problem != "" {
			return problem
		}
		if i == 0 && !bytes.Equal(base, first) {
			return "a block does not begin with the key that the index has for it"
		}
	}
	return ""
}

// entry checks one entry and returns the block's first key, which is the entry's
// own where base is nil.
func (c *tableCheck) entry(b, base []byte) (_ []byte, problem string) {
	shared, rest := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
	if b = b[4:]; shared > len(base) || rest > len(b) {
		return base, "a key is cut short"
	}
	c.next = append(append(c.next[:0], base[:shared]...), b[:rest]...)
	if base == nil {
		base = b[:rest:rest]
	}
	key, version, ok := splitVersion(c.next)
	value, ok2 := splitValue(b[rest:])
	if !ok || !ok2 {
		return base, "an entry makes no sense"
	}
	if !c.ascends(key) {
		return base, "keys are out of order"
	}
	c.sum.Entries++
	c.sum.MaxVersion = max(c.sum.MaxVersion, version)
	if c.each != nil {
		c.each(c.next, version, value)
	}
	c.key, c.next = c.next, c.key
	return base, c.value(key, version, value)
}

// ascends says whether the entry at hand comes after the one before: by its key,
// and at the same key by its version, downwards.
func (c *tableCheck) ascends(key []byte) bool {
	if len(c.key) == 0 {
		return true
	}
	order := bytes.Compare(c.key[:len(c.key)-8], key)
	return order < 0 || order == 0 && bytes.Compare(c.key[len(c.key)-8:], c.next[len(key):]) < 0
}

// value checks what the table has for a key, or where it points.
func (c *tableCheck) value(key []byte, v Version, value storedValue) (problem string) {
	if value.meta&bitValuePointer == 0 {
		e := RawEntry{Key: key, Version: v, Value: value.bytes, Deleted: value.meta&bitDelete != 0}
		return e.Problem()
	}
	if len(value.bytes) != pointerSize {
		return "a pointer into the value log makes no sense"
	}
	file, length, offset := binary.LittleEndian.Uint32(value.bytes), binary.LittleEndian.Uint32(value.bytes[4:]), binary.LittleEndian.Uint32(value.bytes[8:])
	c.sum.Logs[file] = max(c.sum.Logs[file], int64(offset)+int64(length))
	return ""
}
