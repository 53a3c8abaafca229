package changelog

import (
	"errors"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec says how the content of frames is compressed. The numbers are on disk.
type Codec byte

// Codecs. The zero value of [Options.Codec] stands for [S2].
const (
	Stored Codec = 1
	Zstd   Codec = 2
	S2     Codec = 3
)

// packer compresses frames, on the caller's goroutine.
type packer struct {
	codec Codec
	enc   *zstd.Encoder
}

func newPacker(c Codec) (p *packer, err error) {
	p = &packer{codec: c}
	if c == Zstd {
		// Single segments declare their size, which the reader wants to know first.
		p.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	}
	return p, err
}

// pack appends the compressed content, or the content itself where that is no shorter.
func (p *packer) pack(dst, raw []byte) ([]byte, Codec) {
	room, codec := len(dst), p.codec
	switch codec {
	case Zstd:
		dst = p.enc.EncodeAll(raw, dst)
	case S2:
		dst = append(dst, make([]byte, s2.MaxEncodedLen(len(raw)))...)
		dst = dst[:room+len(s2.Encode(dst[room:], raw))]
	}
	if codec == Stored || len(dst)-room >= len(raw) {
		return append(dst[:room], raw...), Stored
	}
	return dst, codec
}

// unpacker takes compressed frames apart. It compares the size that the content
// declares with the frame's before it takes memory. The zero value works.
type unpacker struct{ dec *zstd.Decoder }

// zstd makes the decoder when it is needed first: it is not cheap.
func (u *unpacker) zstd() (_ *zstd.Decoder, err error) {
	if u.dec == nil {
		u.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecodeAllCapLimit(true))
	}
	return u.dec, err
}

func (u *unpacker) close() {
	if u.dec != nil {
		u.dec.Close()
	}
}

var errOtherSize = errors.New("declares another size")

func (u *unpacker) unpack(c Codec, stored []byte, size int) ([]byte, error) {
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
