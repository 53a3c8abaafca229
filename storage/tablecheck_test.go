package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/stretchr/testify/require"
)

// makeTable returns a table file with n records as Badger writes it: with values of
// the size, large ones as pointers, a deletion each ten records, the index of what
// expires, and a ledger.
func makeTable(n, size int) []byte {
	b := table.NewTableBuilder(table.Options{TableSize: 256 << 20, BlockSize: 4096, BloomFalsePositive: 0.01})
	defer b.Close()
	rng := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	value := make([]byte, size)
	for i := range n {
		key, v := fmt.Appendf(nil, "key-%07d", i), Version(1_000_000+i)
		for j := 0; j+8 <= size; j += 8 {
			binary.LittleEndian.PutUint64(value[j:], rng.Uint64())
		}
		env, _ := seal(key, value, v, time.Time{})
		at := y.KeyWithTs(recordKey(key), uint64(v))
		switch i % 10 {
		case 3:
			b.Add(at, y.ValueStruct{Meta: bitDelete}, 0)
		case 7:
			var p [pointerSize]byte
			binary.LittleEndian.PutUint32(p[0:], uint32(1+i%3))
			binary.LittleEndian.PutUint32(p[4:], 40_000)
			binary.LittleEndian.PutUint32(p[8:], uint32(20+i*40_000))
			b.Add(at, y.ValueStruct{Meta: bitValuePointer, Value: p[:]}, 40_000)
		default:
			b.Add(at, y.ValueStruct{Value: env}, 0)
		}
	}
	l := Ledger{Version: 900_000, Records: 7}
	b.Add(y.KeyWithTs(ledgerKey(l.Version), uint64(l.Version)), y.ValueStruct{Value: l.Append(nil)}, 0)
	b.Add(y.KeyWithTs(expiryKey(5, []byte("key")), 900_000), y.ValueStruct{}, 0)
	return b.Finish()
}

func check(b []byte) (TableSum, error) { return CheckTable(bytes.NewReader(b), int64(len(b))) }

func TestCheckTableAcceptsWhatBadgerWrites(t *testing.T) {
	file := makeTable(2000, 300)
	var out bytes.Buffer
	sum, err := CopyTable(&out, bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.Equal(t, file, out.Bytes())
	require.EqualValues(t, 2002, sum.Entries)
	require.EqualValues(t, 1_001_999, sum.MaxVersion)
	require.Len(t, sum.Logs, 3)
	require.EqualValues(t, 20+1997*40_000+40_000, sum.Logs[1+1997%3])
}

// Every flipped bit, every truncation and everything appended is found, wherever in
// the file it is.
func TestCheckTableFindsAllDamage(t *testing.T) {
	file := makeTable(60, 100)
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		requireDamage(t, bad, "bit flipped in byte %d of %d", i, len(file))
	}
	for n := range file {
		requireDamage(t, file[:n], "cut to %d bytes", n)
	}
	large := makeTable(3000, 400)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		bad := bytes.Clone(large)
		i := rng.IntN(len(bad))
		bad[i] ^= 1 << rng.IntN(8)
		requireDamage(t, bad, "bit flipped in byte %d of %d", i, len(bad))
	}
	for _, size := range []int{1, 4, 4096, 1 << 20} {
		requireDamage(t, make([]byte, size), "%d zeros", size)
		requireDamage(t, append(bytes.Clone(file), make([]byte, size)...), "%d zeros behind", size)
		requireDamage(t, append(make([]byte, size), file...), "%d zeros before", size)
		hole := bytes.Clone(large)
		clear(hole[len(hole)/2 : min(len(hole)/2+size, len(hole))])
		requireDamage(t, hole, "%d zeros within", size)
	}
	requireDamage(t, append(bytes.Clone(file), large...), "two files in one")
}

func requireDamage(t testing.TB, b []byte, format string, args ...any) {
	t.Helper()
	_, err := check(b)
	var damage *DamageError
	if !errors.As(err, &damage) || damage.Problem == "" || damage.Offset > int64(len(b)) {
		t.Fatalf(format+": %v", append(args, err)...)
	}
}

// A record that was damaged before Badger wrote the block has a good block checksum;
// its envelope tells.
func TestCheckTableChecksRecords(t *testing.T) {
	build := func(key string, v Version, value []byte) []byte {
		b := table.NewTableBuilder(table.Options{TableSize: 1 << 20, BlockSize: 4096, BloomFalsePositive: 0.01})
		defer b.Close()
		b.Add(y.KeyWithTs([]byte(key), uint64(v)), y.ValueStruct{Value: value}, 0)
		return b.Finish()
	}
	env, _ := seal([]byte("k"), []byte("value"), 5, time.Time{})
	_, err := check(build("rk", 5, env))
	require.NoError(t, err)
	requireDamage(t, build("rk", 6, env), "another version")
	requireDamage(t, build("rj", 5, env), "another key")
	env[len(env)-1] ^= 1
	requireDamage(t, build("rk", 5, env), "another value")
	l := Ledger{Version: 5}
	requireDamage(t, build("sl12345678", 6, l.Append(nil)), "a ledger of another version")
	requireDamage(t, build("xshort", 5, nil), "no time in the index")
}

// Tables of a foreign program, whose blocks are compressed or whose keys are not
// Brock's, are refused or at least never taken for something else.
func TestCheckTableRefusesCompressed(t *testing.T) {
	b := table.NewTableBuilder(table.Options{TableSize: 1 << 20, BlockSize: 4096, Compression: 1, BloomFalsePositive: 0.01})
	for i := range 500 {
		b.Add(y.KeyWithTs(fmt.Appendf(nil, "r%05d", i), 5), y.ValueStruct{Value: make([]byte, 100)}, 0)
	}
	file := b.Finish()
	b.Close()
	requireDamage(t, file, "compressed")
}

// An error of the disk is not damage: a retry may help.
func TestCheckTablePassesReadErrors(t *testing.T) {
	file := makeTable(100, 100)
	_, err := CheckTable(failingReader{bytes.NewReader(file), 4096}, int64(len(file)))
	require.ErrorIs(t, err, errBroken)
	require.NotErrorIs(t, err, ErrDamaged)
}

var errBroken = errors.New("broken disk")

type failingReader struct {
	io.ReaderAt
	from int64
}

func (r failingReader) ReadAt(b []byte, at int64) (int, error) {
	if at < r.from {
		return 0, errBroken
	}
	return r.ReaderAt.ReadAt(b, at)
}

// makeLog returns a value-log file as Badger writes it.
func makeLog(sizes ...int) []byte {
	b := make([]byte, logHeadBytes)
	b[12] = 7
	for i, size := range sizes {
		key := fmt.Appendf(nil, "key-%d", i)
		env, _ := seal(key, make([]byte, size), Version(100+i), time.Time{})
		full := y.KeyWithTs(recordKey(key), uint64(100+i))
		e := binary.AppendUvarint(binary.AppendUvarint([]byte{0, 0}, uint64(len(full))), uint64(len(env)))
		e = append(append(append(e, 0), full...), env...)
		b = append(b, binary.BigEndian.AppendUint32(e, crc32.Checksum(e, castagnoli))...)
	}
	return b
}

func TestCheckValueLogFindsAllDamage(t *testing.T) {
	file := makeLog(10, 300, 5)
	var out bytes.Buffer
	require.NoError(t, CopyValueLog(&out, bytes.NewReader(append(bytes.Clone(file), make([]byte, 1000)...)), int64(len(file))))
	require.Equal(t, file, out.Bytes())
	bad := func(b []byte, size int) error { return CheckValueLog(bytes.NewReader(b), int64(size)) }
	for i := range file {
		if i >= 8 && i < logHeadBytes {
			continue // random bytes that nothing reads
		}
		b := bytes.Clone(file)
		b[i] ^= 1 << (i % 8)
		require.ErrorIs(t, bad(b, len(b)), ErrDamaged, "bit flipped in byte %d", i)
	}
	for n := range file {
		require.ErrorIs(t, bad(file[:n], len(file)), ErrDamaged, "cut to %d bytes", n)
	}
	require.ErrorIs(t, bad(file, len(file)-1), ErrDamaged, "size within an entry")
	require.ErrorIs(t, bad(append(file, make([]byte, 100)...), len(file)+100), ErrDamaged, "zeros behind")
}

// FuzzCheckTable takes any bytes for a table file. With seal set, the checksums of
// the index and of the last block are made right first, so that what lies behind
// them is reached.
func FuzzCheckTable(f *testing.F) {
	for _, n := range []int{1, 12} {
		file := makeTable(n, 30)
		f.Add(file, false)
		f.Add(file, true)
	}
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = resealed(b)
		}
		var out bytes.Buffer
		_, err := CopyTable(&out, bytes.NewReader(b), int64(len(b)))
		if err == nil && !bytes.Equal(out.Bytes(), b) {
			t.Fatal("what was copied is not what was read")
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
	})
}

// resealed takes b for blocks and an index of the length that stands where a footer
// has it, and puts right checksums there.
func resealed(b []byte) []byte {
	head, _, ok := splitSum(b)
	if !ok || len(head) < 4 {
		return b
	}
	head = head[:len(head)-4]
	n := int(min(uint64(binary.BigEndian.Uint32(b[len(head):])), uint64(len(head))))
	blocks, index := head[:len(head)-n], head[len(head)-n:]
	if data, _, ok := splitSum(blocks); ok {
		blocks = withSum(bytes.Clone(data), data)
	}
	out := binary.BigEndian.AppendUint32(append(blocks, index...), uint32(n))
	return withSum(out, index)
}

func withSum(b, data []byte) []byte {
	sum := checksum(data)
	return binary.BigEndian.AppendUint32(append(b, sum...), uint32(len(sum)))
}

func FuzzCheckValueLog(f *testing.F) {
	f.Add(makeLog(3, 40))
	f.Add(makeLog())
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := CheckValueLog(bytes.NewReader(b), int64(len(b))); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
	})
}

// What a check adds to copying and hashing a table file of 100 MB.
func BenchmarkCopyTable(b *testing.B) {
	for _, size := range []int{100, 1000} {
		file := filepath.Join(b.TempDir(), "000001.sst")
		require.NoError(b, os.WriteFile(file, makeTable(100_000_000/(size+40), size), 0o600))
		run := func(name string, copy func(io.Writer, *os.File, int64) error) {
			b.Run(fmt.Sprintf("%s/%dB", name, size), func(b *testing.B) {
				in, err := os.Open(file)
				require.NoError(b, err)
				defer in.Close()
				info, err := in.Stat()
				require.NoError(b, err)
				b.SetBytes(info.Size())
				b.ReportAllocs()
				for b.Loop() {
					out, err := os.Create(filepath.Join(b.TempDir(), "out"))
					require.NoError(b, err)
					_, err = in.Seek(0, io.SeekStart)
					require.NoError(b, err)
					require.NoError(b, copy(out, in, info.Size()))
					require.NoError(b, out.Close())
				}
			})
		}
		run("io.Copy", func(w io.Writer, r *os.File, _ int64) error { _, err := io.Copy(w, r); return err })
		run("sha256", func(w io.Writer, r *os.File, _ int64) error {
			_, err := io.CopyBuffer(io.MultiWriter(w, sha256.New()), struct{ io.Reader }{r}, make([]byte, 1<<20))
			return err
		})
		run("check", func(w io.Writer, r *os.File, n int64) error { _, err := CopyTable(w, r, n); return err })
		run("check+sha256", func(w io.Writer, r *os.File, n int64) error {
			_, err := CopyTable(io.MultiWriter(w, sha256.New()), r, n)
			return err
		})
	}
}
