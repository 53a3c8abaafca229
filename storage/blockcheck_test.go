package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// rotten is a store of keys that were each written three times, a table for each.
func rotten(t *testing.T) (ts *testStore, files []string, want map[string]string) {
	ts, want = newStore(t), map[string]string{}
	for round := range 3 {
		var b Batch
		for i := range 300 {
			key, value := fmt.Sprintf("key-%03d", i), fmt.Sprintf("value %d of %d", round, i)
			b = append(b, Op{Key: []byte(key), Value: []byte(value)})
			want[key] = value
		}
		require.NoError(t, ts.commit(b))
		ts.reopen()
	}
	files, err := filepath.Glob(filepath.Join(ts.Dir(), "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return ts, files, want
}

// honest reads in all ways, and fails at what was never so; it says whether damage was found.
func (ts *testStore) honest(want map[string]string) (found bool) {
	ts.t.Helper()
	damaged := func(err error) bool {
		require.True(ts.t, err == nil || errors.Is(err, ErrDamaged), "%v", err)
		found = found || err != nil
		return err != nil
	}
	for key, value := range want {
		if r, err := ts.Get([]byte(key)); !damaged(err) {
			require.Equal(ts.t, value, string(r.Value))
		}
	}
	_, err := ts.Get([]byte("key-1234"))
	if !errors.Is(err, ErrNotFound) {
		damaged(err)
	}
	l, err := ts.Lease()
	require.NoError(ts.t, err)
	defer l.Release()
	for _, r := range []Range{{}, {Reverse: true}, {Prefix: []byte("key-1")}, {Prefix: []byte("key-2"), Reverse: true},
		{From: []byte("key-050"), To: []byte("key-250"), Limit: 70}, {From: []byte("key-050"), To: []byte("key-250"), Limit: 70, Reverse: true}} {
		at, keys := 0, r.in(want)
		for rec, err := range l.Scan(r) {
			if damaged(err) {
				at = -1
				break
			}
			require.Less(ts.t, at, len(keys))
			require.Equal(ts.t, keys[at], string(rec.Key), "%+v", r)
			require.Equal(ts.t, want[keys[at]], string(rec.Value))
			at++
		}
		require.True(ts.t, at < 0 || at == len(keys), "%d records of %d in %+v", at, len(keys), r)
	}
	if l.Ledger.Commits < 10 { // that of many is partly discarded
		n, sound := uint64(0), true
		for c, err := range l.History(Ledger{}, MaxVersion) {
			if sound = !damaged(err); sound {
				n++
				require.Equal(ts.t, n, c.Ledger.Commits)
				require.Empty(ts.t, c.Ledger.Misses(c.Changes))
			}
		}
		require.True(ts.t, !sound || n == l.Ledger.Commits, "%d commits of %d", n, l.Ledger.Commits)
	}
	return found
}

// in returns the keys of the range in their order.
func (r *Range) in(want map[string]string) (keys []string) {
	for key := range want {
		if r.holds([]byte(key)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if r.Reverse {
		slices.Reverse(keys)
	}
	if r.Limit > 0 {
		keys = keys[:min(r.Limit, len(keys))]
	}
	return keys
}

// A bit that rots in a table file while the store is open shows no older value to a read
// of that file, and hides nothing from a scan that ends well: Badger alone does both.
func TestBitsThatRotUnderAnOpenStore(t *testing.T) {
	ts, files, want := rotten(t)
	require.False(t, ts.honest(want))
	found, flips := 0, 0
	for _, file := range files {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		for at := int64(0); at < info.Size(); at += max(info.Size()/40, 1) {
			var b [1]byte
			_, err := f.ReadAt(b[:], at)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{b[0] ^ 1<<(at%8)}, at)
			require.NoError(t, err)
			ts.blocks.forget() // that it has looked at the indexes within a second
			if flips++; ts.honest(want) {
				found++
			}
			_, err = f.WriteAt(b[:], at)
			require.NoError(t, err)
		}
		require.NoError(t, f.Close())
	}
	ts.blocks.forget()
	require.False(t, ts.honest(want))
	require.Greater(t, found, flips/2)
	t.Logf("%d flips in %d files, %d were found", flips, len(files), found)
}

// forget makes the next read look anew at all.
func (g *blockCheck) forget() {
	g.close()
	g.set.Store(nil)
}

// Tables that compactions remove under reads are not taken for damage, and what they
// write is checked like any other.
func TestBlockChecksBesideCompactions(t *testing.T) {
	ts := &testStore{t: t, v: VersionAt(time.Now()), Store: smallStore(t, t.TempDir())}
	want := map[string]string{}
	for round := range 12 {
		ts.rewrite(round, want)
		require.False(t, ts.honest(want))
	}
	require.NotEmpty(t, ts.db.Tables())
	done := make(chan error, 1)
	go func() { done <- ts.db.Flatten(2) }()
	for flattened := false; !flattened; {
		select {
		case err := <-done:
			require.NoError(t, err)
			flattened = true
		default:
		}
		require.False(t, ts.honest(want))
	}
}

// rewrite writes all of a thousand keys.
func (ts *testStore) rewrite(round int, want map[string]string) {
	var b Batch
	for i := range 1000 {
		key, value := fmt.Sprintf("key-%03d", (i*7+round)%1000), fmt.Sprintf("value %d of %0100d", round, i)
		b = append(b, Op{Key: []byte(key), Value: []byte(value)})
		want[key] = value
		if len(b) == 100 {
			require.NoError(ts.t, ts.commit(b))
			b = nil
		}
	}
}

// A scan reads the tables that were there when it began, and so does its check: here of
// older versions, which a scan passes by and nothing else looks at.
func TestAScanChecksWhatACompactionReplaced(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		t.Run(fmt.Sprintf("reverse=%v", reverse), func(t *testing.T) {
			ts := &testStore{t: t, v: VersionAt(time.Now()), Store: smallStore(t, t.TempDir())}
			for round := range 12 {
				ts.rewrite(round, map[string]string{})
			}
			l, err := ts.Lease()
			require.NoError(t, err)
			defer l.Release()
			next, stop := iter.Pull2(l.Scan(Range{Reverse: reverse}))
			defer stop()
			_, err, _ = next()
			require.NoError(t, err)
			old := ts.db.Tables()
			require.NoError(t, ts.db.Flatten(2))
			ts.blocks.renew(ts.blocks.set.Load())
			spoilt := 0
			for _, info := range old {
				if !slices.ContainsFunc(ts.db.Tables(), func(i badger.TableInfo) bool { return i.ID == info.ID }) {
					spoilt += spoil(t, filepath.Join(ts.Dir(), TableName(info.ID)), "value 3 of 0000")
				}
			}
			require.Greater(t, spoilt, 100)
			for more := true; err == nil && more; {
				_, err, more = next()
			}
			require.ErrorContains(t, err, "a block does not match its checksum")
		})
	}
}

// spoil flips a bit behind each place of the file that has the text.
func spoil(t *testing.T, file, text string) (n int) {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	for at := 0; ; n++ {
		i := bytes.Index(data[at:], []byte(text))
		if i < 0 {
			break
		}
		at += i + len(text)
		_, err = f.WriteAt([]byte{data[at] ^ 1}, int64(at))
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	return n
}

// BenchmarkCheckedReads is what the check costs reads of 50 MB in Badger's tables that the
// system has in memory, and writes, which read what they replace.
func BenchmarkCheckedReads(b *testing.B) {
	dir := b.TempDir()
	s, err := Create(dir, "things", Options{MinFree: -1, Unsynced: true})
	require.NoError(b, err)
	const batches, each = 500, 400
	key := func(i int) []byte { return fmt.Appendf(nil, "key-%06d", i*7919%(batches*each)) }
	v := VersionAt(time.Now())
	commit := func(from, n int) {
		var batch Batch
		for i := range n {
			batch = append(batch, Op{Key: key(from + i), Value: make([]byte, 256)})
		}
		v++
		_, err := s.Commit(v, []Batch{batch})
		require.NoError(b, err)
	}
	for i := range batches {
		commit(i*each, each)
	}
	require.NoError(b, s.Close(context.Background()))
	for _, checked := range []bool{true, false} {
		b.Run(fmt.Sprintf("checked=%v", checked), func(b *testing.B) {
			var err error
			s, err = Open(dir, "things", Options{MinFree: -1, Unsynced: true})
			require.NoError(b, err)
			defer func() { require.NoError(b, s.Close(context.Background())) }()
			if tables := s.blocks.tables; !checked {
				s.blocks.close()
				s.blocks = newBlockCheck(s)
				s.blocks.tables = func() []badger.TableInfo { return nil }
				require.NotEmpty(b, tables())
			}
			n := 0
			b.Run("get", func(b *testing.B) {
				for b.Loop() {
					_, err := s.Get(key(n))
					require.NoError(b, err)
					n++
				}
			})
			b.Run("scan", func(b *testing.B) {
				for b.Loop() {
					l, err := s.Lease()
					require.NoError(b, err)
					for _, err := range l.Scan(Range{}) {
						require.NoError(b, err)
					}
					l.Release()
				}
			})
			b.Run("commit", func(b *testing.B) {
				for b.Loop() {
					commit(n, 1)
					n++
				}
			})
		})
	}
}

// A get does not wait for the next look at an index that has rotted: what a table has of the
// key is newer than what Badger finds then. (It was seen with a file that was cut.)
func TestAnIndexThatRotsHidesNothingFromAGet(t *testing.T) {
	for _, rot := range []struct {
		name string
		do   func(t *testing.T, f *os.File, index, size int64)
	}{
		{"zeros", func(t *testing.T, f *os.File, index, size int64) {
			_, err := f.WriteAt(make([]byte, size-index), index)
			require.NoError(t, err)
		}},
		{"cut", func(t *testing.T, f *os.File, index, size int64) { // up to the end of its page, the mapping has zeros then
			require.NoError(t, f.Truncate(max(index, (size-1)&^4095)))
		}},
	} {
		t.Run(rot.name, func(t *testing.T) {
			ts, files, want := rotten(t)
			require.False(t, ts.honest(want))
			ts.blocks.set.Load().each(func(o *openTable) {
				o.checked = time.Now().Add(time.Hour) // nobody looks at the index
			})
			for _, file := range files {
				f, err := os.OpenFile(file, os.O_RDWR, 0)
				require.NoError(t, err)
				info, err := f.Stat()
				require.NoError(t, err)
				c := &tableCheck{source: source{r: f, size: info.Size()}}
				require.NoError(t, c.readIndex())
				rot.do(t, f, c.index.end, info.Size())
				require.NoError(t, f.Close())
			}
			found := 0
			for key, value := range want {
				r, err := ts.Get([]byte(key))
				if err == nil {
					require.Equal(t, value, string(r.Value))
					continue
				}
				require.ErrorIs(t, err, ErrDamaged)
				found++
			}
			require.Positive(t, found)
		})
	}
}
