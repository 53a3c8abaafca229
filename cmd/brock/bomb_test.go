package main

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// zeros is a stream of so many zeros.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// allocated runs f and returns how many bytes were allocated for it, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A packed file of a few hundred kilobytes that unpacks to much more without an end of
// line, or says that unpacking it takes much memory, is refused and takes little.
func TestBombsAreRefused(t *testing.T) {
	const size = 64 << 20
	var gz, zst bytes.Buffer
	g, err := gzip.NewWriterLevel(&gz, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.Copy(g, zeros(size))
	require.NoError(t, err)
	require.NoError(t, g.Close())
	z, err := zstd.NewWriter(&zst)
	require.NoError(t, err)
	_, err = io.Copy(z, zeros(size))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	// A frame that asks for a window of 512 MiB: no single segment, no size, one block
	// that repeats a byte.
	window := append([]byte{}, zstdMagic...)
	window = append(window, 0, (29-10)<<3)
	block := uint32(1) | 1<<1 | 1<<10<<3 // the last, one byte repeated
	window = append(window, byte(block), byte(block>>8), byte(block>>16), 'x')
	for name, file := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zst.Bytes(), "window": window} {
		t.Run(name, func(t *testing.T) {
			var err error
			took := allocated(func() {
				l, openErr := (&cli{in: bytes.NewReader(file)}).openLines("-")
				if err = openErr; err == nil {
					_, _, err = l.batch()
					l.close()
				}
			})
			require.Error(t, err)
			require.Less(t, took, uint64(256<<20), "it took %d MiB", took>>20)
			t.Logf("%d kB of file took %d MiB: %v", len(file)>>10, took>>20, err)
		})
	}
}
