package vault

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/zeebo/xxh3"
)

// A frames file is
//
//	header | frame … | end mark
//
// and nothing after. This file owns its layout; storage/FORMAT.md shows it. All
// numbers are big-endian, all checksums are the 64-bit XXH3.
const (
	framesMagic  = "BROCKFRM"
	tailMagic    = "BROCKTAL" // see tailName
	framesFormat = 1

	kindFrame = 'F'
	kindEnd   = 'E'

	headerFixed = len(framesMagic) + 2 + 1 // magic, format, length of the table's name
	frameHead   = 1 + 1 + 4 + 4 + 4 + 8    // kind, codec, raw bytes, stored bytes, records, checksum of the raw bytes
	endMark     = 1 + 8 + 8 + 8 + 16       // kind, frames, records, bytes, digest
	sumSize     = 8                        // follows each of the three

	// framesCodec is what new frames are compressed with. What is compressed as records is
	// small or goes with the next flush, so the time counts for more than the bytes.
	framesCodec = codec.S2

	// frameTarget is the raw size at which a frame is closed, in bytes.
	frameTarget = 512 << 10
	// maxFrame is the largest raw size of a frame, in bytes: one record of the
	// largest size fits. A reader holds one frame raw and one compressed, no more.
	maxFrame = 32 << 20
)

// framesHeader says what a frames file belongs to.
type framesHeader struct {
	Magic string
	Table string
	Cut   storage.Version
	Part  uint32 // 1 for the first file of a snapshot
}

func (h framesHeader) encode() []byte {
	b := append(make([]byte, 0, headerFixed+len(h.Table)+8+4+sumSize), h.Magic...)
	b = binary.BigEndian.AppendUint16(b, framesFormat)
	b = append(append(b, byte(len(h.Table))), h.Table...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Cut))
	b = binary.BigEndian.AppendUint32(b, h.Part)
	return appendSum(b, 0)
}

// parse reads what encode wrote, checksum included, once its length is known.
func (h *framesHeader) parse(b []byte) bool {
	if !checkSum(b, 0) {
		return false
	}
	n := int(b[headerFixed-1])
	h.Magic = string(b[:len(framesMagic)])
	h.Table = string(b[headerFixed : headerFixed+n])
	h.Cut = storage.Version(binary.BigEndian.Uint64(b[headerFixed+n:]))
	h.Part = binary.BigEndian.Uint32(b[headerFixed+n+8:])
	return true
}

// frameInfo is the head of one frame.
type frameInfo struct {
	codec                codec.Codec
	raw, stored, records uint32
	rawSum               uint64
}

func (f frameInfo) append(b []byte) []byte {
	b = append(b, kindFrame, byte(f.codec))
	b = binary.BigEndian.AppendUint32(b, f.raw)
	b = binary.BigEndian.AppendUint32(b, f.stored)
	b = binary.BigEndian.AppendUint32(b, f.records)
	return binary.BigEndian.AppendUint64(b, f.rawSum)
}

func parseFrameInfo(b []byte) frameInfo {
	return frameInfo{
		codec:   codec.Codec(b[1]),
		raw:     binary.BigEndian.Uint32(b[2:]),
		stored:  binary.BigEndian.Uint32(b[6:]),
		records: binary.BigEndian.Uint32(b[10:]),
		rawSum:  binary.BigEndian.Uint64(b[14:]),
	}
}

// appendEnd writes the end mark: what the file holds, as its writer counted it.
func appendEnd(b []byte, frames uint64, l storage.Ledger) []byte {
	b = append(b, kindEnd)
	b = binary.BigEndian.AppendUint64(b, frames)
	b = binary.BigEndian.AppendUint64(b, l.Records)
	b = binary.BigEndian.AppendUint64(b, l.Bytes)
	digest, _ := hex.DecodeString(l.Digest.String())
	return append(b, digest...)
}

// appendSum appends the checksum of b. The seed ties a frame to its file and place.
func appendSum(b []byte, seed uint64) []byte {
	return binary.BigEndian.AppendUint64(b, xxh3.HashSeed(b, seed))
}

// checkSum says whether b ends with the checksum of what is before.
func checkSum(b []byte, seed uint64) bool {
	n := len(b) - sumSize
	return binary.BigEndian.Uint64(b[n:]) == xxh3.HashSeed(b[:n], seed)
}

// appendEntry writes an entry: three varints (length of the key, version, length of
// the envelope), the key, the envelope as the store has it.
func appendEntry(b []byte, e storage.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.Key)))
	b = binary.AppendUvarint(b, uint64(e.Version))
	b = binary.AppendUvarint(b, uint64(len(e.Envelope)))
	return append(append(b, e.Key...), e.Envelope...)
}

// entrySize is at most what appendEntry adds.
func entrySize(e storage.Entry) int {
	return 3*binary.MaxVarintLen64 + len(e.Key) + len(e.Envelope)
}

// cutEntry takes the first entry off b. The entry's slices are parts of b.
func cutEntry(b []byte) (e storage.Entry, rest []byte, ok bool) {
	var n [3]uint64
	for i := range n {
		var used int
		if n[i], used = binary.Uvarint(b); used <= 0 {
			return e, nil, false
		}
		b = b[used:]
	}
	size := uint64(len(b))
	if n[0] > size || n[2] > size-n[0] {
		return e, nil, false
	}
	k, end := n[0], n[0]+n[2]
	return storage.Entry{Key: b[:k:k], Version: storage.Version(n[1]), Envelope: b[k:end:end]}, b[end:], true
}
