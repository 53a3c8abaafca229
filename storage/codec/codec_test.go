package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const limit = 1 << 20

func pack(t *testing.T, c Codec, raw []byte) ([]byte, Codec) {
	p, err := NewPacker(c)
	require.NoError(t, err)
	return p.Pack(nil, raw)
}

func TestRoundTrip(t *testing.T) {
	noise := make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	for _, c := range []Codec{Stored, Zstd, S2} {
		u := &Unpacker{Max: limit}
		for _, raw := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("text "), 1000), noise, make([]byte, limit)} {
			stored, used := pack(t, c, raw)
			require.LessOrEqual(t, len(stored), len(raw), "what does not shrink is stored")
			back, err := u.Unpack(used, stored, len(raw))
			require.NoError(t, err)
			require.True(t, bytes.Equal(raw, back))
		}
		u.Close()
	}
}

// A packer appends, so that a frame's head can be before it.
func TestPackAppends(t *testing.T) {
	for _, c := range []Codec{Stored, Zstd, S2} {
		p, err := NewPacker(c)
		require.NoError(t, err)
		b, _ := p.Pack([]byte("head"), make([]byte, 1000))
		require.Equal(t, "head", string(b[:4]))
	}
}

// What says one size and has another is refused, before it takes memory.
func TestAnotherSize(t *testing.T) {
	u := &Unpacker{Max: limit}
	defer u.Close()
	for _, c := range []Codec{Stored, Zstd, S2} {
		for _, size := range []int{0, 999, 1001, limit, limit + 1, 1 << 40} {
			stored, used := pack(t, c, make([]byte, 1000))
			_, err := u.Unpack(used, stored, size)
			require.Error(t, err, "codec %d, size %d", c, size)
		}
		stored, used := pack(t, c, make([]byte, limit+1))
		_, err := u.Unpack(used, stored, limit+1)
		require.Error(t, err, "codec %d above the limit", c)
	}
	_, err := u.Unpack(0, nil, 0)
	require.Error(t, err)
	_, err = u.Unpack(9, []byte("x"), 1)
	require.Error(t, err)
}
