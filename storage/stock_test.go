package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// stockDB is a Badger as others have it.
func stockDB(t *testing.T) *badger.DB {
	db, err := badger.Open(badger.DefaultOptions(t.TempDir()).WithLogger(nil).WithNumVersionsToKeep(1 << 30).WithValueThreshold(1 << 10).WithMemTableSize(8 << 20))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// sorted reads a backup as an import does.
func sorted(t *testing.T, backup []byte) (records []Record, meta int, err error) {
	t.Helper()
	s, err := SortStock(t.Context(), filepath.Join(t.TempDir(), "s"), "things", ReadStock(bytes.NewReader(backup)))
	if err != nil {
		return nil, 0, err
	}
	defer func() { require.NoError(t, s.Close()) }()
	for r, err := range s.Records(time.Now()) {
		if err != nil {
			return nil, 0, err
		}
		records = append(records, r)
	}
	return records, s.UserMeta, nil
}

// What we write stock Badger loads, and the other way round.
func TestStockWriter(t *testing.T) {
	later := time.Date(2090, 1, 1, 0, 0, 0, 1e6, time.UTC)
	var want []Record
	for i := range 3000 {
		r := Record{Key: fmt.Appendf(nil, "k%04d", i), Value: bytes.Repeat([]byte{byte(i)}, i), Version: VersionAt(time.Now()) + Version(i)}
		if i%3 == 0 {
			r.ExpiresAt = later
		}
		want = append(want, r)
	}
	var file bytes.Buffer
	w := NewStockWriter(&file)
	for _, r := range want {
		require.NoError(t, w.Add(r))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, w.Flush())
	require.ErrorIs(t, w.Add(Record{Key: []byte("!badger!x")}), ErrInvalid)
	db := stockDB(t)
	require.NoError(t, db.Load(bytes.NewReader(file.Bytes()), 16))
	require.NoError(t, db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		i := 0
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			require.NoError(t, err)
			require.Equal(t, want[i].Key, it.Item().KeyCopy(nil))
			require.True(t, bytes.Equal(want[i].Value, value))
			require.EqualValues(t, want[i].Version, it.Item().Version())
			if i%3 == 0 {
				require.EqualValues(t, later.Unix()+1, it.Item().ExpiresAt(), "not gone before its time")
			}
			i++
		}
		require.Equal(t, len(want), i)
		return nil
	}))
	got, meta, err := sorted(t, file.Bytes())
	require.NoError(t, err)
	require.Zero(t, meta)
	require.Len(t, got, len(want))
	for i, r := range got {
		require.True(t, bytes.Equal(want[i].Key, r.Key) && bytes.Equal(want[i].Value, r.Value) && want[i].Version == r.Version, i)
		require.Equal(t, i%3 == 0, !r.ExpiresAt.IsZero())
	}
}

// Of a backup with many versions the newest count, also where a later file of an
// incremental backup is appended, or one that is older.
func TestStockVersionsAndDeletions(t *testing.T) {
	db := stockDB(t)
	set := func(e *badger.Entry) {
		require.NoError(t, db.Update(func(txn *badger.Txn) error { return txn.SetEntry(e) }))
	}
	for i := range 5 {
		set(badger.NewEntry([]byte("versions"), fmt.Append(nil, i)))
		set(badger.NewEntry([]byte("deleted"), fmt.Append(nil, i)))
		set(badger.NewEntry([]byte("back"), fmt.Append(nil, i)))
		set(badger.NewEntry([]byte("large"), bytes.Repeat([]byte{byte(i)}, 40<<10)))
		set(badger.NewEntry([]byte("expired"), []byte("x")))
		set(badger.NewEntry([]byte("meta"), []byte("m")).WithMeta(7))
		set(badger.NewEntry([]byte("discard"), []byte("d")).WithDiscard())
	}
	for _, key := range []string{"deleted", "back"} {
		require.NoError(t, db.Update(func(txn *badger.Txn) error { return txn.Delete([]byte(key)) }))
	}
	set(&badger.Entry{Key: []byte("expired"), Value: []byte("y"), ExpiresAt: 1})
	set(badger.NewEntry([]byte("ttl"), []byte("z")).WithTTL(1000 * time.Hour))
	var first, second bytes.Buffer
	since, err := db.Backup(&first, 0)
	require.NoError(t, err)
	set(badger.NewEntry([]byte("back"), []byte("again")))
	set(badger.NewEntry([]byte("versions"), []byte("newest")))
	_, err = db.Backup(&second, since) // what Badger's documentation says, since+1, would leave a version out
	require.NoError(t, err)
	for _, file := range [][]byte{append(first.Bytes(), second.Bytes()...), append(second.Bytes(), first.Bytes()...)} {
		got, meta, err := sorted(t, file)
		require.NoError(t, err)
		all := map[string]string{}
		for _, r := range got {
			all[string(r.Key)] = string(r.Value)
			require.Equal(t, string(r.Key) == "ttl", !r.ExpiresAt.IsZero())
		}
		require.Equal(t, map[string]string{"versions": "newest", "back": "again", "large": strings.Repeat("\x04", 40<<10),
			"meta": "m", "discard": "d", "ttl": "z"}, all)
		require.Equal(t, 1, meta)
	}
	m := db.GetMergeOperator([]byte("merge"), func(a, b []byte) []byte { return append(a, b...) }, time.Hour)
	require.NoError(t, m.Add([]byte("1")))
	require.NoError(t, m.Add([]byte("2")))
	defer m.Stop()
	var third bytes.Buffer
	_, err = db.Backup(&third, 0)
	require.NoError(t, err)
	_, _, err = sorted(t, third.Bytes())
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "merge operator")
}

// frameOf is a frame of entries as they are.
func frameOf(t testing.TB, kv ...*pb.KV) []byte {
	b, err := proto.Marshal(&pb.KVList{Kv: kv, AllocRef: 5})
	require.NoError(t, err)
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...)
}

func TestStockRefuses(t *testing.T) {
	good := frameOf(t, &pb.KV{Key: []byte("k"), Value: []byte("v"), Version: 1})
	done := frameOf(t, &pb.KV{StreamId: 3, StreamDone: true})
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"nothing":       {nil, "it is empty"},
		"no entries":    {append(frameOf(t), done...), "it is empty"},
		"text":          {[]byte("{\"table\":\"a\"}\n"), "this is no such file"},
		"cut":           {append(good, good[:len(good)-1]...), "frame 2 at byte"},
		"cut length":    {append(good, good[:3]...), "ends in the middle"},
		"huge":          {append(append([]byte{}, good[:7]...), append([]byte{0x40}, good[8:]...)...), "the length is damaged"},
		"large":         {binary.LittleEndian.AppendUint64(nil, 1<<29), "ends in the middle"},
		"no key":        {frameOf(t, &pb.KV{Value: []byte("v"), Version: 1}), "has no key"},
		"version 0":     {frameOf(t, &pb.KV{Key: []byte("k")}), "which is none"},
		"version":       {frameOf(t, &pb.KV{Key: []byte("k"), Version: 1 << 63}), "which is none"},
		"expiry":        {frameOf(t, &pb.KV{Key: []byte("k"), Version: 1, ExpiresAt: 1 << 60}), "which is no time"},
		"meta":          {frameOf(t, &pb.KV{Key: []byte("k"), Meta: []byte{1, 2}}), "more meta bytes"},
		"unknown field": {append(binary.LittleEndian.AppendUint64(nil, 7), 0x0a, 5, 0x0a, 1, 'k', 0x78, 1), "does not write"},
		"another list":  {append(binary.LittleEndian.AppendUint64(nil, 2), 0x12, 0), "no entry"},
	} {
		_, _, err := sorted(t, c.file)
		var e *StockError
		require.ErrorAs(t, err, &e, name)
		require.ErrorIs(t, err, ErrInvalid, name)
		require.ErrorContains(t, err, c.says, name)
		require.ErrorContains(t, err, "make it again with badger backup", name)
	}
	_, _, err := sorted(t, frameOf(t, &pb.KV{Key: []byte("k"), Value: make([]byte, MaxValueBytes+1), Version: 1}))
	require.ErrorIs(t, err, ErrTooLarge)
	_, _, err = sorted(t, frameOf(t, &pb.KV{Key: []byte("k"), Value: make([]byte, MaxValueBytes+8000), Version: 1}))
	require.ErrorIs(t, err, ErrTooLarge)
	_, _, err = sorted(t, frameOf(t, &pb.KV{Key: make([]byte, MaxKeyBytes+1), Version: 1}))
	require.ErrorIs(t, err, ErrTooLarge)
	got, _, err := sorted(t, append(done, append(good, frameOf(t, &pb.KV{Key: []byte("k"), Meta: []byte{1}})...)...))
	require.NoError(t, err)
	require.Len(t, got, 1, "a deletion of version 0 is older")
}

// Every length bit of a frame that flips is seen, and a cut anywhere but between frames.
func TestStockLengths(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var file []byte
	var frames []int
	for i := range 20 {
		var kv []*pb.KV
		for j := range 1 + rnd.IntN(5) {
			kv = append(kv, &pb.KV{Key: fmt.Appendf(nil, "%d/%d", i, j), Value: make([]byte, rnd.IntN(300)), Version: 7})
		}
		frames = append(frames, len(file))
		file = append(file, frameOf(t, kv...)...)
	}
	read := func(b []byte) (n int, err error) {
		for _, err := range ReadStock(bytes.NewReader(b)) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	_, err := read(file)
	require.NoError(t, err)
	for _, at := range frames {
		for bit := range 64 {
			b := bytes.Clone(file)
			b[at+bit/8] ^= 1 << (bit % 8)
			_, err := read(b)
			require.ErrorIs(t, err, ErrInvalid, "frame at %d, bit %d", at, bit)
		}
	}
	for n := range len(file) {
		_, err := read(file[:n])
		boundary := false
		for _, at := range frames[1:] {
			boundary = boundary || at == n
		}
		require.Equal(t, boundary, err == nil, "cut at %d", n)
	}
}

// FuzzReadStock reads hostile files: whatever they say, it ends, with an error or
// with entries that can be written and read again.
func FuzzReadStock(f *testing.F) {
	f.Add(frameOf(f, &pb.KV{Key: []byte("k"), Value: []byte("v"), Version: 3, ExpiresAt: 4, Meta: []byte{4}, UserMeta: []byte{1}}, &pb.KV{Key: []byte("k"), Version: 2, Meta: []byte{1}}))
	f.Add(append(frameOf(f), frameOf(f, &pb.KV{StreamDone: true})...))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, file []byte) {
		var again bytes.Buffer
		w := NewStockWriter(&again)
		var want []StockEntry
		for e, err := range ReadStock(bytes.NewReader(file)) {
			if err != nil {
				break
			}
			require.LessOrEqual(t, len(e.Key)+len(e.Value), len(file))
			r := Record{Key: e.Key, Value: e.Value, Version: Version(e.Version)}
			if e.ExpiresAt > 0 {
				r.ExpiresAt = time.Unix(int64(e.ExpiresAt), 0)
			}
			if !e.Deleted && w.Add(r) == nil { // a writer has no deletions
				want = append(want, e)
			}
		}
		require.NoError(t, w.Flush())
		i := 0
		for e, err := range ReadStock(&again) {
			if len(want) == 0 {
				require.ErrorIs(t, err, ErrInvalid)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(want[i].Key, e.Key) && bytes.Equal(want[i].Value, e.Value))
			require.Equal(t, want[i].Version, e.Version)
			require.Equal(t, want[i].ExpiresAt, e.ExpiresAt)
			i++
		}
		require.Equal(t, len(want), i)
	})
}
