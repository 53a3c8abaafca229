package storage

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
)

// What Brock knows of Badger's own file formats (v4), so that it can judge a table
// or value-log file without Badger: that would check less, and on its own
// goroutines, where a damaged file ends the process.
//
// Numbers inside blocks are in the byte order of the machine that wrote them. Brock
// runs on little-endian machines only; on any other every file would fail the check.
const (
	bitDelete       = 1 << 0 // the entry is a tombstone
	bitValuePointer = 1 << 1 // the value is a pointer into the value log
	pointerSize     = 12     // file, length, offset

	maxBlockBytes = 4 << 20 // a block has 4 KiB or one entry, whose value is below largeValue
	maxIndexBytes = 512 << 20
	maxTableBytes = math.MaxUint32 // offsets have 32 bits
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// TableName returns the name that Badger gives a table file with the id.
func TableName(id uint64) string { return pad(id) + ".sst" }

// ValueLogName returns the name that Badger gives a value-log file with the id.
func ValueLogName(id uint32) string { return pad(uint64(id)) + ".vlog" }

func pad(id uint64) string {
	s := strconv.FormatUint(id, 10)
	for len(s) < 6 {
		s = "0" + s
	}
	return s
}

// checksum is how Badger writes the CRC-32C of data: as a protocol buffer that has
// only the sum, because the other member, the algorithm, is the default.
func checksum(data []byte) []byte {
	sum := crc32.Checksum(data, castagnoli)
	if sum == 0 {
		return nil
	}
	return binary.AppendUvarint([]byte{2 << 3}, uint64(sum))
}

// splitSum takes a checksum and its length off the end of b. The checksum is given
// back as it stands there, so that every bit of it counts.
func splitSum(b []byte) (data, sum []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	end := len(b) - 4
	n := binary.BigEndian.Uint32(b[end:])
	if uint64(n) > uint64(end) {
		return nil, nil, false
	}
	return b[:end-int(n)], b[end-int(n) : end], true
}

// splitVersion parts one of Badger's keys from the version behind it.
func splitVersion(k []byte) (key []byte, v Version, ok bool) {
	if len(k) <= 8 {
		return nil, 0, false
	}
	n := math.MaxUint64 - binary.BigEndian.Uint64(k[len(k)-8:])
	return k[: len(k)-8 : len(k)-8], Version(n), n <= uint64(MaxVersion)
}

// storedValue is what a table has for a key at a version.
type storedValue struct {
	meta  byte
	bytes []byte
}

func splitValue(b []byte) (v storedValue, ok bool) {
	if len(b) < 3 {
		return v, false
	}
	expires, n := binary.Uvarint(b[2:])
	if n <= 0 || expires != 0 { // Brock has expiry of its own and never uses Badger's
		return v, false
	}
	return storedValue{meta: b[0], bytes: b[2+n:]}, true
}

// RawEntry is one key of a store, of whatever room, as Badger has it.
type RawEntry struct {
	Key     []byte // its first byte names the room
	Version Version
	Value   []byte
	Deleted bool // a tombstone; it has no value
}

// Problem says in words how the entry fails the checks that it carries in itself,
// "" where it passes: a record against its envelope, a ledger against its checksum.
func (e *RawEntry) Problem() string {
	switch {
	case len(e.Key) == 0:
		return "an entry has no key"
	case e.Deleted && len(e.Value) > 0:
		return "a deletion has a value"
	case e.Deleted:
		return ""
	case e.Key[0] == recordRoom:
		_, _, problem := Entry{Key: e.Key[1:], Version: e.Version, Envelope: e.Value}.Open()
		return problem
	case e.Key[0] == expiryRoom && (len(e.Key) < 9 || len(e.Value) > 0):
		return "an entry of the index of what expires makes no sense"
	case string(e.Key) == string(restoredKey) && len(e.Value) != 8:
		return "the note of a restore makes no sense"
	case string(e.Key[:min(len(e.Key), len(ledgerPrefix))]) == string(ledgerPrefix):
		return ledgerProblem(e)
	}
	return ""
}

func ledgerProblem(e *RawEntry) string {
	l, problem := DecodeLedger(e.Value)
	if problem == "" && l.Version != e.Version {
		problem = "the ledger's version is not that of its commit"
	}
	return problem
}
