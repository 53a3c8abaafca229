package changelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

var fuzzSpan = span{0, 10}

// goldenSegment is a segment with a bit of everything, the same in every run.
func goldenSegment(t testing.TB, codec Codec) []byte {
	a, b := newTable("a"), newTable("b-table")
	s := ship(0, 10, map[string]storage.Ledger{"a": {}, "b-table": {}}, a.put(t, 2, "key", "value"), b.put(t, 3, "k", ""),
		a.put(t, 4, "key", string(bytes.Repeat([]byte("text "), 40))), a.remove(t, 5, "key"), b.restore(t, 6, 0), a.restore(t, 7, 4))
	noteAll(s.head, s.commits)
	s.head.Vault, s.head.HubID = vaultID, hubID
	s.head.Tables[1].Through, s.head.Tables[1].Break = 8, true
	var out bytes.Buffer
	w, err := newWriter(t.Context(), &out, "f", &s.head, codec, nil)
	require.NoError(t, err)
	require.NoError(t, addAll(w, s.commits))
	require.NoError(t, w.finish())
	require.Equal(t, int64(out.Len()), w.size)
	return out.Bytes()
}

func parse(t testing.TB, data []byte, only int) (n int, err error) {
	r := newReader(t.Context(), bytes.NewReader(data), int64(len(data)), "f", fuzzSpan)
	if err := r.readHead(); err != nil {
		return 0, err
	}
	if only >= len(r.head.Tables) {
		return 0, nil
	}
	err = r.frames(only, newAccount(&r.head, nil), func(int, storage.Commit) error { n++; return nil })
	return n, err
}

// reseal gives a fuzzed segment true checksums as far as its lengths make sense, so
// that the fuzzer gets behind them.
func reseal(data []byte) []byte {
	data = bytes.Clone(data)
	if len(data) < headLead {
		return data
	}
	sum := func(from, to int, seed uint64) uint64 {
		n := xxh3.HashSeed(data[from:to], seed)
		binary.BigEndian.PutUint64(data[to:], n)
		return n
	}
	at := int(binary.BigEndian.Uint32(data[headLead-4:]))
	if at < headLead+sumSize || at > len(data) {
		return data
	}
	seed := sum(0, at-sumSize, 0)
	for n := uint64(1); len(data)-at > frameHead && data[at] == kindFrame; n++ {
		info := parseFrameInfo(data[at:])
		end := at + frameHead + int(info.stored)
		if end > len(data) {
			end = len(data)
		}
		content := data[at+frameHead : end]
		if raw, err := (&codec.Unpacker{Max: maxFrame}).Unpack(info.codec, content, int(min(info.raw, maxFrame))); err == nil {
			binary.BigEndian.PutUint64(data[at+22:], xxh3.Hash(raw))
		}
		binary.BigEndian.PutUint64(data[at+30:], xxh3.HashSeed(content, seed+n))
		sum(at, at+frameHead-sumSize, seed+n)
		at = end
	}
	return data
}

func FuzzSegment(f *testing.F) {
	for _, codec := range []Codec{Stored, S2, Zstd} {
		good := goldenSegment(f, codec)
		f.Add(good)
		f.Add(good[:len(good)-1])
		f.Add(append(good, good...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, reseal(data)} {
			for only := -1; only < 2; only++ {
				_, err := parse(t, data, only)
				if err == nil || errors.Is(err, ErrNewer) {
					continue
				}
				var d *storage.DamageError
				require.True(t, errors.As(err, &d), "%v", err)
				require.Equal(t, "f", d.File)
				require.LessOrEqual(t, d.Offset, int64(len(data)))
			}
		}
	})
}

// What a released Brock has written stays readable for ever.
func TestGoldenSegments(t *testing.T) {
	for name, codec := range map[string]Codec{"stored": Stored, "s2": S2, "zstd": Zstd} {
		file := filepath.Join("testdata", "format-1", name+".log")
		data := goldenSegment(t, codec)
		if *update {
			overwrite(t, file, data)
		}
		n, err := parse(t, read(t, file), -1)
		require.NoError(t, err)
		require.Equal(t, 6, n)
		if codec == Stored { // compression may change, the layout may not
			require.Equal(t, read(t, file), data, "run with -update when the change is meant")
		}
	}
}

// oneFrame is a segment of two tables with one frame under true checksums.
func oneFrame(t testing.TB, info frameInfo, content []byte) []byte {
	h := Head{Vault: vaultID, HubID: hubID, To: 10, Tables: []TableState{{Table: "a"}, {Table: "b"}}}
	require.NoError(t, h.check())
	b := h.encode()
	seed := binary.BigEndian.Uint64(b[len(b)-sumSize:])
	info.storedSum = xxh3.HashSeed(content, seed+1)
	return append(info.append(b, seed+1), content...)
}

func bomb(t testing.TB, codec Codec, size, raw int) []byte {
	content := make([]byte, size)
	var stored []byte
	if codec == S2 {
		stored = s2.Encode(nil, content)
	} else {
		enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
		require.NoError(t, err)
		defer func() { _ = enc.Close() }()
		stored = enc.EncodeAll(content, nil)
	}
	return oneFrame(t, frameInfo{codec: codec, raw: uint32(max(raw, len(stored))), stored: uint32(len(stored)), commits: 1, tables: 1, rawSum: xxh3.Hash(content)}, stored)
}

// manyChanges is the beginning of a commit that says it has more than it can.
func manyChanges(n uint64) []byte {
	l := storage.Ledger{Version: 3, Commits: 1}
	b := l.Append([]byte{0, 3, 0})
	b = binary.AppendUvarint(b, n)
	return append(b, make([]byte, 20<<20)...)
}

// Hostile lengths and bombs with true checksums take no memory beyond the limits.
func TestHostileSegments(t *testing.T) {
	frame := func(info frameInfo, content []byte) []byte { return oneFrame(t, info, content) }
	content := func(c []byte) []byte {
		return oneFrame(t, frameInfo{codec: Stored, raw: uint32(len(c)), stored: uint32(len(c)), commits: 1, tables: 1, rawSum: xxh3.Hash(c)}, c)
	}
	longHead := append([]byte(magic), 0, 1, 0xff, 0xff, 0xff, 0xff)
	for name, data := range map[string][]byte{
		"head above the limit":    longHead,
		"head above the file":     append([]byte(magic), 0, 1, 0, 1, 0, 0),
		"head too short":          append([]byte(magic), 0, 1, 0, 0, 0, 3, 1, 1, 1),
		"raw above the limit":     frame(frameInfo{codec: Stored, raw: 1<<32 - 1, stored: 10, commits: 1, tables: 1}, make([]byte, 10)),
		"stored above raw":        frame(frameInfo{codec: Stored, raw: 10, stored: 1<<32 - 1, commits: 1, tables: 1}, nil),
		"stored above the file":   frame(frameInfo{codec: Stored, raw: maxFrame, stored: maxFrame, commits: 1, tables: 1}, nil),
		"no commits":              frame(frameInfo{codec: Stored, raw: 10, stored: 10, tables: 1}, make([]byte, 10)),
		"no codec":                frame(frameInfo{raw: 10, stored: 10, commits: 1, tables: 1}, make([]byte, 10)),
		"not zstd":                frame(frameInfo{codec: Zstd, raw: 10, stored: 10, commits: 1, tables: 1}, make([]byte, 10)),
		"not s2":                  frame(frameInfo{codec: S2, raw: 10, stored: 10, commits: 1, tables: 1}, make([]byte, 10)),
		"zstd bomb":               bomb(t, Zstd, 256<<20, 10),
		"zstd bomb at the limit":  bomb(t, Zstd, 256<<20, maxFrame),
		"s2 bomb":                 bomb(t, S2, 256<<20, 10),
		"shorter than it says":    bomb(t, S2, 1000, maxFrame),
		"more changes than bytes": content(manyChanges(1 << 40)),
		"changes above the limit": content(manyChanges(maxChanges + 1)),
		"empty changes":           content(manyChanges(maxChanges)),
		"table beyond the head":   content(append([]byte{2}, manyChanges(0)[1:]...)),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parse(t, data, -1)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, storage.ErrDamaged)
			require.Less(t, int(after.TotalAlloc-before.TotalAlloc), 2*len(data)+(10<<20))
		})
	}
}
