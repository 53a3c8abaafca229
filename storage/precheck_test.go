package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4/pb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// killedStore returns the folder of a store as a kill leaves it, with tables, and
// twenty commits in the log of a memtable; and what it had acknowledged.
func killedStore(t *testing.T) (dir string, want Ledger) {
	s := newStore(t)
	for range 2 {
		for i := range 20 {
			s.put(fmt.Sprintf("key-%02d", i), fmt.Sprint(s.v))
		}
		s.reopen()
	}
	for i := range 20 {
		s.put(fmt.Sprintf("mem-%02d", i), fmt.Sprint(s.v))
	}
	dir = filepath.Join(t.TempDir(), "killed")
	copyStore(t, s.Dir(), dir)
	return dir, s.Ledger()
}

func requireWhole(t *testing.T, dir string, want Ledger) {
	t.Helper()
	s, err := Open(dir, "things", Options{MinFree: -1})
	require.NoError(t, err)
	require.NoError(t, errors.Join(s.Prove(context.Background(), want), s.Close(context.Background())))
}

func requireRefused(t *testing.T, dir string, tail bool) {
	t.Helper()
	_, err := Open(dir, "things", Options{MinFree: -1})
	var damage *DamageError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, "things", damage.Table)
	require.Equal(t, tail, errors.Is(err, ErrTailLost), "%v", err)
}

// A MANIFEST cut anywhere, between two sets of changes too, loses the tables that came
// after; the store is refused, and its files stay.
func TestManifestWithoutItsEnd(t *testing.T) {
	dir, want := killedStore(t)
	path := filepath.Join(dir, "MANIFEST")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range b {
		require.NoError(t, os.WriteFile(path, b[:n], 0o600))
		_, err := Open(dir, "things", Options{MinFree: -1})
		require.ErrorIs(t, err, ErrDamaged, "cut to %d of %d bytes", n, len(b))
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
	requireWhole(t, dir, want)
}

// A crash within a flush: the table is there, the MANIFEST has a part of the set of
// changes that names it, or none, and the .mem is still there.
func TestCrashWithinAFlush(t *testing.T) {
	dir, want := killedStore(t)
	flushed := filepath.Join(t.TempDir(), "flushed")
	copyStore(t, dir, flushed)
	requireWhole(t, flushed, want) // and closed
	b, err := os.ReadFile(filepath.Join(flushed, "MANIFEST"))
	require.NoError(t, err)
	before, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	require.NoError(t, err)
	for n := len(before); n <= len(b); n++ {
		crashed := filepath.Join(t.TempDir(), "crashed")
		copyStore(t, flushed, crashed)
		require.NoError(t, os.WriteFile(filepath.Join(crashed, "MANIFEST"), b[:n], 0o600))
		mem := mems(t, dir)[0]
		data, err := os.ReadFile(mem)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(crashed, filepath.Base(mem)), data, 0o600))
		requireWhole(t, crashed, want)
		if n%8 != 0 {
			continue
		}
		// The same without the .mem is a loss.
		require.NoError(t, os.RemoveAll(crashed))
		copyStore(t, flushed, crashed)
		require.NoError(t, os.WriteFile(filepath.Join(crashed, "MANIFEST"), b[:n], 0o600))
		if n < len(b) {
			requireRefused(t, crashed, true)
		}
	}
}

// A record broken in the middle of a .mem is a lost tail, which a redo may bring back;
// one in the last commit, that nobody saw acknowledged, is a crash.
func TestBrokenRecordInAMem(t *testing.T) {
	dir, want := killedStore(t)
	name := mems(t, dir)[0]
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	m := &memFile{data: b}
	m.read()
	require.Greater(t, len(m.ends), 30)
	bad := bytes.Clone(b)
	bad[m.ends[10]+7] ^= 4
	require.NoError(t, os.WriteFile(name, bad, 0o600))
	requireRefused(t, dir, true)
	s, err := Open(dir, "things", Options{MinFree: -1, LostTail: true})
	require.NoError(t, err)
	require.Less(t, s.Ledger().Version, want.Version)
	require.NoError(t, s.Close(context.Background()))
}

func TestTornLastCommit(t *testing.T) {
	dir, want := killedStore(t)
	name := mems(t, dir)[0]
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	m := &memFile{data: b}
	m.read()
	w, _, err := openWitness(dir)
	require.NoError(t, err)
	require.NoError(t, errors.Join(w.saw(want.Version-1), w.close()))
	whole := filepath.Join(t.TempDir(), "s")
	for end := m.end - 1; end > m.ends[len(m.ends)-1]; end -= 31 {
		require.NoError(t, os.RemoveAll(whole))
		copyStore(t, dir, whole)
		bad := bytes.Clone(b)
		clear(bad[end:])
		require.NoError(t, os.WriteFile(filepath.Join(whole, filepath.Base(name)), bad, 0o600))
		s, err := Open(whole, "things", Options{MinFree: -1})
		require.NoError(t, err)
		require.Equal(t, want.Commits-1, s.Ledger().Commits)
		require.NoError(t, s.Close(context.Background()))
	}
}

// Lengths that nobody wrote, behind the last commit, cost no memory.
func TestHostileLengthInAMem(t *testing.T) {
	dir, want := killedStore(t)
	name := mems(t, dir)[0]
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	m := &memFile{data: b}
	m.read()
	copy(b[m.end:], []byte{0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	require.NoError(t, os.WriteFile(name, b, 0o600))
	requireWhole(t, dir, want)
}

func FuzzManifest(f *testing.F) {
	list, err := tableList([]TableFile{{ID: 1}, {ID: 7, Level: 3}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list, false)
	f.Add(list[:11], false)
	f.Add(list, true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal && len(b) >= 16 { // its first set of changes with a right checksum
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[8:], uint32(len(b)-16))
			binary.BigEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
		}
		m, err := readManifest(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if m.end > int64(len(b)) || len(m.live) > len(b) {
			t.Fatal("it read more than there is")
		}
		if seal && len(b) > 16 { // Badger reads the same
			var set pb.ManifestChangeSet
			if err := proto.Unmarshal(b[16:], &set); err != nil {
				t.Fatal(err)
			}
			if len(set.Changes) != m.first {
				t.Fatalf("%d changes, not %d", len(set.Changes), m.first)
			}
		}
	})
}

// What the check costs on a store of 100 MB.
func BenchmarkCheckStore(b *testing.B) {
	dir := b.TempDir()
	s, err := Create(dir, "things", Options{MinFree: -1})
	require.NoError(b, err)
	v := VersionAt(time.Now())
	for i := range 250 {
		var batch Batch
		for j := range 400 {
			batch = append(batch, Op{Key: fmt.Appendf(nil, "key-%03d-%03d", j, i), Value: bytes.Repeat([]byte{byte(i), byte(j)}, 500)})
		}
		v++
		_, err := s.Commit(v, []Batch{batch})
		require.NoError(b, err)
	}
	require.NoError(b, s.Close(context.Background()))
	for _, budget := range []time.Duration{-1, 0, time.Hour} {
		b.Run(fmt.Sprint(budget), func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, checkStore(dir, "things", Options{CheckBudget: budget}.withDefaults()))
			}
		})
	}
}

// A kill while Badger removes a value log without values leaves one of no bytes, and it
// would not open that. One that had values is a loss.
func TestValueLogWithoutBytes(t *testing.T) {
	s := newStore(t)
	s.reopen()
	require.NoError(t, s.commit(Batch{{Key: []byte("large"), Value: make([]byte, largeValue)}}))
	s.reopen()
	s.put("k", "v")
	dir := filepath.Join(t.TempDir(), "killed")
	copyStore(t, s.Dir(), dir)
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	require.NoError(t, err)
	require.Greater(t, len(logs), 1)
	for _, name := range logs {
		emptied := filepath.Join(t.TempDir(), "emptied")
		copyStore(t, dir, emptied)
		bytesOf, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(filepath.Join(emptied, filepath.Base(name)), 0))
		if len(bytes.TrimRight(bytesOf, "\x00")) > largeValue {
			_, err := Open(emptied, "things", Options{MinFree: -1, CheckBudget: -1})
			require.ErrorIs(t, err, ErrDamaged)
			continue
		}
		requireWhole(t, emptied, s.Ledger())
	}
}

// A table that a compaction replaced stays for as long as somebody reads it, also beyond
// a MANIFEST that is written anew and knows nothing of it. Otherwise such a table means
// that the MANIFEST has lost what named it.
func TestTablesFromBeforeAnewManifest(t *testing.T) {
	old := newStore(t)
	old.put("key-00", "old")
	old.reopen()
	found, err := filepath.Glob(filepath.Join(old.Dir(), "*.sst"))
	require.NoError(t, err)
	b, err := os.ReadFile(found[0])
	require.NoError(t, err)
	dir, want := killedStore(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, TableName(999)), b, 0o600))
	requireRefused(t, dir, false)
	path := filepath.Join(dir, "MANIFEST")
	if b, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	var live []TableFile
	for id, level := range m.live {
		live = append(live, TableFile{ID: id, Level: level})
	}
	b, err = tableList(live)
	require.NoError(t, err)
	b = append(b, make([]byte, 5*8)...) // later sets of changes, that say nothing
	require.NoError(t, os.WriteFile(path, b, 0o600))
	requireWhole(t, dir, want)
}
