package changelog

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

const (
	kindFrame = 'F'
	kindEnd   = 'E'

	frameHead = 1 + 1 + 4 + 4 + 4 + 8 + 8 + 8 + sumSize // kind, codec, raw, stored, commits, tables, two checksums, its own
	endSize   = 1 + 8 + 8 + 8 + 8 + 8 + sumSize         // kind, frames, commits, changes, raw bytes, checksum of the file, its own

	// frameTarget is the raw size at which a frame is closed, in bytes.
	frameTarget = 512 << 10
	// frameLeast is the raw size from which a frame is closed where another table's
	// commits begin, in bytes: smaller ones would compress worse than skipping them saves.
	frameLeast = 32 << 10
	// maxFrame is the largest raw size of a frame, in bytes: one commit of the largest
	// size fits. What does not shrink is stored, so no stored size is larger.
	maxFrame = 32 << 20
)

// frameInfo is the head of one frame. It has a checksum of its own, so that a reader
// may believe it and skip the rest.
type frameInfo struct {
	codec                Codec
	raw, stored, commits uint32
	tables               uint64 // tableBit of each table in the frame
	rawSum, storedSum    uint64
}

// tableBit is the bit of a table's index. Beyond 64 tables several share one: then a
// frame may be read in vain, but never skipped in vain.
func tableBit(i int) uint64 { return 1 << (i % 64) }

// append writes the head. The seed ties it to its file and place.
func (f frameInfo) append(b []byte, seed uint64) []byte {
	start := len(b)
	b = append(b, kindFrame, byte(f.codec))
	b = binary.BigEndian.AppendUint32(b, f.raw)
	b = binary.BigEndian.AppendUint32(b, f.stored)
	b = binary.BigEndian.AppendUint32(b, f.commits)
	b = binary.BigEndian.AppendUint64(b, f.tables)
	b = binary.BigEndian.AppendUint64(b, f.rawSum)
	b = binary.BigEndian.AppendUint64(b, f.storedSum)
	return binary.BigEndian.AppendUint64(b, xxh3.HashSeed(b[start:], seed))
}

func parseFrameInfo(b []byte) frameInfo {
	return frameInfo{
		codec:     Codec(b[1]),
		raw:       binary.BigEndian.Uint32(b[2:]),
		stored:    binary.BigEndian.Uint32(b[6:]),
		commits:   binary.BigEndian.Uint32(b[10:]),
		tables:    binary.BigEndian.Uint64(b[14:]),
		rawSum:    binary.BigEndian.Uint64(b[22:]),
		storedSum: binary.BigEndian.Uint64(b[30:]),
	}
}

// possible says whether the lengths can be those of a frame.
func (f frameInfo) possible() bool {
	return f.raw <= maxFrame && f.stored <= f.raw && f.commits > 0 && f.commits <= f.raw && f.tables != 0
}

// totals is the end mark: what the segment holds, as its writer counted it.
type totals struct {
	frames, commits, changes, raw uint64
	fileSum                       uint64 // of all bytes before the end mark
}

func (t totals) append(b []byte, seed uint64) []byte {
	start := len(b)
	b = append(b, kindEnd)
	for _, n := range [...]uint64{t.frames, t.commits, t.changes, t.raw, t.fileSum} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return binary.BigEndian.AppendUint64(b, xxh3.HashSeed(b[start:], seed))
}

func parseTotals(b []byte) (t totals) {
	for i, n := range [...]*uint64{&t.frames, &t.commits, &t.changes, &t.raw, &t.fileSum} {
		*n = binary.BigEndian.Uint64(b[1+8*i:])
	}
	return t
}

// sealed says whether b ends with the checksum of what is before.
func sealed(b []byte, seed uint64) bool {
	n := len(b) - sumSize
	return binary.BigEndian.Uint64(b[n:]) == xxh3.HashSeed(b[:n], seed)
}

// shrink empties a buffer, and drops it when one large commit blew it up.
func shrink(b []byte) []byte {
	if cap(b) > 4*frameTarget {
		return nil
	}
	return b[:0]
}
