// Package codec compresses the frames that Brock's files are made of, and takes apart
// what may be damaged or hostile within the memory that its reader grants.
package codec

import (
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec says how the content of frames is compressed. The numbers are on disk.
type Codec byte

// Codecs. S2 is made for speed, Zstd for size; Stored is the content as it is.
const (
	Stored Codec = 1
	Zstd   Codec = 2
	S2     Codec = 3
)

// A Packer compresses frames, on the caller's goroutine.
type Packer struct {
	codec Codec
	enc   *zstd.Encoder
}

// NewPacker makes a packer that prefers the codec.
func NewPacker(c Codec) (p *Packer, err error) {
	p = &Packer{codec: c}
	if c == Zstd {
		// Single segments declare their size, which the reader wants to know first.
		p.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	}
	return p, err
}

// Pack appends the compressed content, or the content itself where that is no shorter,
// and says which.
func (p *Packer) Pack(dst, raw []byte) ([]byte, Codec) {
	room, codec := len(dst), p.codec
	switch codec {
	case Zstd:
		dst = p.enc.EncodeAll(raw, dst)
	case S2:
		dst = slices.Grow(dst, s2.MaxEncodedLen(len(raw)))
		dst = dst[:room+len(s2.Encode(dst[room:cap(dst)], raw))]
	}
	if codec == Stored || len(dst)-room >= len(raw) {
		return append(dst[:room], raw...), Stored
	}
	return dst, codec
}

// An Unpacker takes frames apart of which none is larger than Max bytes. It compares the
// size that the content declares with the frame's before it takes memory.
type Unpacker struct {
	Max int
	dec *zstd.Decoder
}

// zstd makes the decoder when it is needed first: it is not cheap.
func (u *Unpacker) zstd() (_ *zstd.Decoder, err error) {
	if u.dec == nil {
		u.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(u.Max)), zstd.WithDecodeAllCapLimit(true))
	}
	return u.dec, err
}

// Close frees what the unpacker holds.
func (u *Unpacker) Close() {
	if u.dec != nil {
		u.dec.Close()
	}
}

var errOtherSize = errors.New("declares another size")

// Unpack returns the content of a frame that says it has size bytes.
func (u *Unpacker) Unpack(c Codec, stored []byte, size int) ([]byte, error) {
	if size > u.Max {
		return nil, errOtherSize
	}
	switch c {
	case Stored:
		if len(stored) != size {
			return nil, errOtherSize
		}
		return append(make([]byte, 0, size), stored...), nil
	case S2:
		if n, err := s2.DecodedLen(stored); err != nil || n != size {
			return nil, errOtherSize
		}
		return s2.Decode(make([]byte, 0, size), stored)
	case Zstd:
		var head zstd.Header
		if err := head.Decode(stored); err != nil {
			return nil, err
		}
		if head.Skippable || !head.HasFCS || head.FrameContentSize != uint64(size) {
			return nil, errOtherSize
		}
		dec, err := u.zstd()
		if err != nil {
			return nil, err
		}
		return dec.DecodeAll(stored, make([]byte, 0, size))
	}
	return nil, errors.New("unknown codec")
}
