package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

var fuzzHead = framesHeader{framesMagic, "t", cutAt(0), 1}

func framesOf(t testing.TB, es []storage.Entry) []byte {
	var b bytes.Buffer
	pack, err := codec.NewPacker(framesCodec)
	require.NoError(t, err)
	w, err := newFramesWriter(&b, fuzzHead, pack)
	require.NoError(t, err)
	for _, e := range es {
		r, h, _ := e.Open()
		require.NoError(t, w.add(e, &r, h))
	}
	require.NoError(t, w.finish())
	return b.Bytes()
}

func parseFrames(t testing.TB, data []byte) (n int, err error) {
	unpack := &codec.Unpacker{Max: maxFrame}
	defer unpack.Close()
	r := &framesReader{in: bytes.NewReader(data), size: int64(len(data)), file: "f", want: fuzzHead, unpack: unpack, keys: &ascending{}}
	err = r.run(func(storage.Entry, *storage.Record, storage.Hash) error { n++; return nil })
	return n, err
}

func FuzzFrames(f *testing.F) {
	for _, n := range []int{0, 1, 3, 100} {
		good := framesOf(f, records(n))
		f.Add(good)
		f.Add(good[:len(good)-1])
		f.Add(append(good, good...))
	}
	f.Add(bomb(f, codec.S2, maxFrame+1, maxFrame))
	f.Add(bomb(f, codec.Zstd, maxFrame+1, maxFrame))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseFrames(t, data); err != nil {
			var d *storage.DamageError
			require.True(t, errors.As(err, &d), "%v", err)
			require.Equal(t, "f", d.File)
			require.LessOrEqual(t, d.Offset, int64(len(data)))
		}
	})
}

func FuzzManifest(f *testing.F) {
	m := Manifest{Format: 1, Table: "t", Snapshot: nameAt(0), Run: runAt(0), Cut: cutAt(0), CutAt: cutAt(0).Time(),
		Files: []FileInfo{{Name: partName(1), Kind: KindFrames, Size: 7, SHA256: hashOf(nil)}}}
	good, _, err := seal(m)
	require.NoError(f, err)
	f.Add(good[:len(good)-sealSize-len(sealLead)])
	f.Add([]byte(`{"format":1,"files":[{"name":"../x","kind":"sst","size":-1}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m Manifest
		_, err := unseal(sealed(body), "f", manifestFormat, &m)
		if known(t, err) && m.problem("t", nameAt(0)) == "" {
			require.Equal(t, cutAt(0).Time(), m.CutAt.UTC())
			require.NotEmpty(t, m.Files)
		}
	})
}

func FuzzRunRecord(f *testing.F) {
	r := runRecord{Format: 1, runShape: Run{ID: runAt(0), Cut: cutAt(0)}.shape(), Manifests: []manifestRef{{"t", nameAt(0), hashOf(nil)}}}
	good, _, err := seal(r)
	require.NoError(f, err)
	f.Add(good[:len(good)-sealSize-len(sealLead)])
	f.Add([]byte(`{"format":2`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r runRecord
		_, err := unseal(sealed(body), "f", runFormat, &r)
		name, _ := parseStamp(nameAt(0))
		if known(t, err) && r.problem(name) == "" {
			require.Equal(t, runAt(0), r.ID)
		}
	})
}

// sealed gives a fuzzed body a true hash, so that the fuzzer gets behind it.
func sealed(body []byte) []byte {
	data := append(bytes.Clone(body), sealLead...)
	return append(append(data, hashOf(data)...), sealTail...)
}

func known(t *testing.T, err error) bool {
	require.True(t, err == nil || errors.Is(err, storage.ErrDamaged) || errors.Is(err, ErrNewer), "%v", err)
	return err == nil
}

// bomb is a frames file with true checksums whose frame says raw and holds size bytes.
func bomb(t testing.TB, c codec.Codec, size, raw int) []byte {
	pack, err := codec.NewPacker(c)
	require.NoError(t, err)
	content := make([]byte, size)
	stored, c := pack.Pack(nil, content)
	return oneFrame(frameInfo{codec: c, raw: uint32(max(raw, len(stored))), stored: uint32(len(stored)), records: 1, rawSum: xxh3.Hash(content)}, stored)
}

func oneFrame(info frameInfo, stored []byte) []byte {
	b := fuzzHead.encode()
	seed := binary.BigEndian.Uint64(b[len(b)-sumSize:])
	return append(b, appendSum(append(info.append(nil), stored...), seed+1)...)
}

// Hostile lengths and bombs with true checksums take no memory beyond the limits.
func TestHostileFrames(t *testing.T) {
	for name, data := range map[string][]byte{
		"raw above the limit":    oneFrame(frameInfo{codec: codec.S2, raw: 1<<32 - 1, stored: 10, records: 1}, make([]byte, 10)),
		"stored above raw":       oneFrame(frameInfo{codec: codec.S2, raw: 10, stored: 1<<32 - 1, records: 1}, nil),
		"stored above the file":  oneFrame(frameInfo{codec: codec.S2, raw: maxFrame, stored: maxFrame, records: 1}, nil),
		"more records than raw":  oneFrame(frameInfo{codec: codec.S2, raw: 10, stored: 10, records: 11}, make([]byte, 10)),
		"no records":             oneFrame(frameInfo{codec: codec.S2, raw: 10, stored: 10}, make([]byte, 10)),
		"no codec":               oneFrame(frameInfo{raw: 10, stored: 10, records: 1}, make([]byte, 10)),
		"not zstd":               oneFrame(frameInfo{codec: codec.Zstd, raw: 10, stored: 10, records: 1}, make([]byte, 10)),
		"not s2":                 oneFrame(frameInfo{codec: codec.S2, raw: 10, stored: 10, records: 1}, make([]byte, 10)),
		"zstd bomb":              bomb(t, codec.Zstd, 256<<20, 10),
		"zstd bomb at the limit": bomb(t, codec.Zstd, 256<<20, maxFrame),
		"s2 bomb":                bomb(t, codec.S2, 256<<20, 10),
		"s2 bomb at the limit":   bomb(t, codec.S2, 256<<20, maxFrame),
		"shorter than it says":   bomb(t, codec.Zstd, 1000, maxFrame),
		"entry beyond its frame": bomb(t, codec.Stored, 2, 2),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parseFrames(t, data)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, storage.ErrDamaged)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
		})
	}
}

func TestCutEntry(t *testing.T) {
	for _, bad := range [][]byte{nil, {1}, {1, 1}, {1, 1, 1}, {1, 1, 1, 'k'}, bytes.Repeat([]byte{0xff}, 40),
		binary.AppendUvarint([]byte{1, 1}, 1<<64-1), append(binary.AppendUvarint(nil, 1<<64-1), 1, 2, 'k', 'v')} {
		_, _, ok := cutEntry(bad)
		require.False(t, ok, "%x", bad)
	}
	e := entry("k", "v", 9, epoch)
	got, rest, ok := cutEntry(append(appendEntry(nil, e), 7))
	require.True(t, ok)
	require.Equal(t, []byte{7}, rest)
	require.Equal(t, e, got)
}
