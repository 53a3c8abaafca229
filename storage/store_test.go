package storage

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// testStore is a store with a hand-set clock that issues its own versions.
type testStore struct {
	*Store
	t   *testing.T
	v   Version
	now time.Time
}

func newStore(t *testing.T) *testStore {
	ts := &testStore{t: t, v: VersionAt(time.Now()), now: time.Now()}
	s, err := Create(filepath.Join(t.TempDir(), "s"), "things", ts.options())
	require.NoError(t, err)
	ts.Store = s
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, ts.Close(ctx))
	})
	return ts
}

func (ts *testStore) options() Options {
	return Options{MinFree: -1, Logger: slog.New(slog.DiscardHandler), Now: func() Version { return VersionAt(ts.now) }}
}

func (ts *testStore) reopen() {
	ts.t.Helper()
	dir := ts.Dir()
	require.NoError(ts.t, ts.Close(context.Background()))
	s, err := Open(dir, "things", ts.options())
	require.NoError(ts.t, err)
	ts.Store = s
}

func (ts *testStore) commit(b Batch) error {
	ts.v++
	out, err := ts.Commit(ts.v, []Batch{b})
	if err != nil {
		return err
	}
	if len(out.Changes) > 0 {
		require.Empty(ts.t, out.Ledger.Misses(out.Changes))
	}
	return out.Each[0]
}

func (ts *testStore) put(key, value string) {
	ts.t.Helper()
	require.NoError(ts.t, ts.commit(Batch{{Key: []byte(key), Value: []byte(value)}}))
}

func (ts *testStore) keys(r Range) []string {
	ts.t.Helper()
	l, err := ts.Lease()
	require.NoError(ts.t, err)
	defer l.Release()
	keys := []string{}
	for rec, err := range l.Scan(r) {
		require.NoError(ts.t, err)
		keys = append(keys, string(rec.Key))
	}
	return keys
}

func TestRoundTripOfAnyBytes(t *testing.T) {
	s := newStore(t)
	big := make([]byte, MaxValueBytes)
	for i := range big {
		big[i] = byte(i * 7)
	}
	values := map[string][]byte{
		"empty": {}, "\x00\xff": []byte("\x00\n\xff"), string(bytes.Repeat([]byte("k"), MaxKeyBytes)): []byte("v"),
		"big": big, "threshold-": bytes.Repeat([]byte("a"), largeValue-1), "threshold+": bytes.Repeat([]byte("b"), largeValue+1),
	}
	for k, v := range values {
		require.NoError(t, s.commit(Batch{{Key: []byte(k), Value: v}}))
	}
	check := func() {
		for k, v := range values {
			r, err := s.Get([]byte(k))
			require.NoError(t, err)
			require.True(t, bytes.Equal(v, r.Value), "key %.20q", k)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(values)), s.keys(Range{}))
	}
	check()
	s.reopen()
	check()
}

func TestLimitsAreTypedErrors(t *testing.T) {
	for name, b := range map[string]Batch{
		"key":        {{Key: make([]byte, MaxKeyBytes+1)}},
		"value":      {{Key: []byte("k"), Value: make([]byte, MaxValueBytes+1)}},
		"ops":        make(Batch, MaxBatchOps+1),
		"bytes":      {{Key: []byte("a"), Value: make([]byte, largeValue-64)}},
		"largeBytes": {{Key: []byte("a"), Value: make([]byte, MaxValueBytes)}, {Key: []byte("b"), Value: make([]byte, MaxValueBytes)}},
	} {
		for i := range b {
			if len(b[i].Key) == 0 {
				b[i].Key = fmt.Append(nil, i)
			}
		}
		if name == "bytes" {
			for len(b) < 40 {
				b = append(b, Op{Key: fmt.Append(nil, len(b)), Value: b[0].Value})
			}
		}
		_, err := b.Check()
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
	_, err := Batch{{}}.Check()
	require.ErrorIs(t, err, ErrInvalid)
}

// The stated limits must really fit: the largest batches of each kind commit.
func TestLargestBatchesFit(t *testing.T) {
	s := newStore(t)
	fill := func(size int) Batch {
		var b Batch
		var c Cost
		for i := 0; ; i++ {
			op := Op{Key: fmt.Appendf(nil, "%06d", i), Value: make([]byte, size), ExpiresAt: s.now.Add(time.Hour)}
			if c = c.Add(op.Cost()); !c.Fits() {
				return b
			}
			b = append(b, op)
		}
	}
	for _, size := range []int{0, 200, 1000, largeValue - envelopeMaximum - 1, largeValue, 1 << 20, 10 << 20} {
		b := fill(size)
		_, err := b.Check()
		require.NoError(t, err)
		require.NoError(t, s.commit(b), "values of %d bytes", size)
		require.NoError(t, s.commit(b), "over themselves, values of %d bytes", size)
	}
	s.reopen()
	require.NoError(t, s.Prove(context.Background(), s.Ledger()))
}

func TestConditions(t *testing.T) {
	s := newStore(t)
	create := Batch{{Key: []byte("a"), Value: []byte("1"), IfAbsent: true}, {Key: []byte("b"), Value: []byte("1")}}
	require.NoError(t, s.commit(create))
	require.ErrorIs(t, s.commit(create), ErrConflict)
	r, err := s.Get([]byte("a"))
	require.NoError(t, err)
	require.NoError(t, s.commit(Batch{{Key: []byte("a"), Value: []byte("2"), IfVersion: r.Version}}))
	require.ErrorIs(t, s.commit(Batch{{Key: []byte("c"), Value: []byte("x")}, {Key: []byte("a"), Delete: true, IfVersion: r.Version}}), ErrConflict)
	_, err = s.Get([]byte("c"))
	require.ErrorIs(t, err, ErrNotFound, "nothing of a refused batch is written")
	require.ErrorIs(t, s.commit(Batch{{Key: []byte("none"), Value: []byte("x"), IfVersion: 1}}), ErrConflict)
}

// One refused batch of a group leaves the others alone.
func TestGroupOfBatches(t *testing.T) {
	s := newStore(t)
	s.put("taken", "1")
	s.v++
	out, err := s.Commit(s.v, []Batch{
		{{Key: []byte("x"), Value: []byte("1")}},
		{{Key: []byte("taken"), Value: []byte("2"), IfAbsent: true}, {Key: []byte("y"), Value: []byte("2")}},
		{{Key: []byte("z"), Value: []byte("3")}},
	})
	require.NoError(t, err)
	require.Len(t, out.Changes, 2)
	require.NoError(t, out.Each[0])
	require.ErrorIs(t, out.Each[1], ErrConflict)
	require.NoError(t, out.Each[2])
	require.Equal(t, []string{"taken", "x", "z"}, s.keys(Range{}))
	s.v++
	out, err = s.Commit(s.v, []Batch{{{Key: []byte("gone"), Delete: true}}})
	require.NoError(t, err)
	require.Empty(t, out.Changes, "deleting nothing writes nothing")
}

func TestExpiry(t *testing.T) {
	s := newStore(t)
	at := s.now.Add(time.Minute)
	require.NoError(t, s.commit(Batch{{Key: []byte("short"), Value: []byte("v"), ExpiresAt: at}, {Key: []byte("long"), Value: []byte("v"), ExpiresAt: at.Add(time.Hour)}, {Key: []byte("ever"), Value: []byte("v")}}))
	count := func() uint64 {
		st, err := s.Stats()
		require.NoError(t, err)
		return st.Records
	}
	require.EqualValues(t, 3, count())
	b, next, err := s.Due(10)
	require.NoError(t, err)
	require.Empty(t, b)
	require.Equal(t, at.UnixMilli(), next.UnixMilli())

	s.now = at
	require.EqualValues(t, 2, count(), "count leaves out what is due")
	require.Equal(t, []string{"ever", "long"}, s.keys(Range{}))
	_, err = s.Get([]byte("short"))
	require.ErrorIs(t, err, ErrNotFound)
	b, next, err = s.Due(10)
	require.NoError(t, err)
	require.Len(t, b, 1)
	require.Equal(t, at.Add(time.Hour).UnixMilli(), next.UnixMilli())
	require.NoError(t, s.commit(b))
	require.EqualValues(t, 2, s.Ledger().Records)

	require.NoError(t, s.commit(Batch{{Key: []byte("long"), Value: []byte("now for ever")}}))
	_, next, err = s.Due(10)
	require.NoError(t, err)
	require.Zero(t, next, "an overwrite takes the old expiry away")
	s.reopen()
	require.NoError(t, s.Prove(context.Background(), s.Ledger()))
}

func TestDueLeavesWhatWasRenewed(t *testing.T) {
	s := newStore(t)
	at := s.now.Add(time.Second)
	require.NoError(t, s.commit(Batch{{Key: []byte("k"), Value: []byte("v"), ExpiresAt: at}}))
	s.now = at
	b, _, err := s.Due(10)
	require.NoError(t, err)
	s.put("k", "renewed")
	require.NoError(t, s.commit(b))
	r, err := s.Get([]byte("k"))
	require.NoError(t, err)
	require.Equal(t, "renewed", string(r.Value))
}

func TestScanRangesAgainstAModel(t *testing.T) {
	s := newStore(t)
	rng := rand.New(rand.NewPCG(1, 2))
	model := []string{}
	var b Batch
	for range 300 {
		k := string(bytes.Repeat([]byte{byte("ab\xff"[rng.IntN(3)])}, 1+rng.IntN(3))) + string(byte(rng.IntN(256)))
		if !slices.Contains(model, k) {
			model = append(model, k)
			b = append(b, Op{Key: []byte(k), Value: []byte(k)})
		}
	}
	slices.Sort(model)
	require.NoError(t, s.commit(b))
	pick := func() []byte {
		if rng.IntN(3) == 0 {
			return nil
		}
		k := model[rng.IntN(len(model))]
		return []byte(k[:1+rng.IntN(len(k))])
	}
	for range 500 {
		r := Range{Prefix: pick(), From: pick(), To: pick(), Limit: rng.IntN(20), Reverse: rng.IntN(2) == 0}
		want := []string{}
		for _, k := range model {
			if r.holds([]byte(k)) {
				want = append(want, k)
			}
		}
		if r.Reverse {
			slices.Reverse(want)
		}
		if r.Limit > 0 && len(want) > r.Limit {
			want = want[:r.Limit]
		}
		require.Equal(t, want, s.keys(r), "%q", r)
	}
}

func TestReadsStayAtTheirVersion(t *testing.T) {
	s := newStore(t)
	for i := range 100 {
		s.put(fmt.Sprint("k", i), "old")
	}
	l, err := s.Lease()
	require.NoError(t, err)
	defer l.Release()
	for i := range 100 {
		s.put(fmt.Sprint("k", i), "new")
	}
	s.Discard(MaxVersion)
	require.NoError(t, s.db.Flatten(1))
	n := 0
	for r, err := range l.Scan(Range{}) {
		require.NoError(t, err)
		require.Equal(t, "old", string(r.Value))
		n++
	}
	require.Equal(t, 100, n)
}

func TestLedgerFollowsRandomWork(t *testing.T) {
	s := newStore(t)
	rng := rand.New(rand.NewPCG(3, 4))
	model := map[string]string{}
	for i := range 400 {
		var b Batch
		for range 1 + rng.IntN(5) {
			k := fmt.Sprint("key", rng.IntN(60))
			if rng.IntN(3) == 0 {
				b, model = append(b, Op{Key: []byte(k), Delete: true}), without(model, k)
				continue
			}
			v := fmt.Sprint(rng.Uint64())
			b = append(b, Op{Key: []byte(k), Value: []byte(v)})
			model[k] = v
		}
		require.NoError(t, s.commit(b))
		if i%100 == 50 {
			s.reopen()
		}
	}
	require.EqualValues(t, len(model), s.Ledger().Records)
	require.NoError(t, s.Prove(context.Background(), s.Ledger()))
	for k, v := range model {
		r, err := s.Get([]byte(k))
		require.NoError(t, err)
		require.Equal(t, v, string(r.Value))
	}
}

func without(m map[string]string, k string) map[string]string { delete(m, k); return m }

func TestRebuildKeepsAllAndFreesTheDead(t *testing.T) {
	s := newStore(t)
	value := bytes.Repeat([]byte("v"), 50_000)
	for i := range 200 {
		require.NoError(t, s.commit(Batch{{Key: fmt.Append(nil, i), Value: value, ExpiresAt: s.now.Add(time.Hour)}}))
	}
	for i := range 150 {
		require.NoError(t, s.commit(Batch{{Key: fmt.Append(nil, i), Delete: true}}))
	}
	before, err := s.Stats()
	require.NoError(t, err)
	require.InDelta(t, 0.75, before.Fragmentation, 0.05)

	lease, err := s.Lease()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "n")
	require.NoError(t, lease.Rebuild(context.Background(), dir))
	s.put("100", "back") // while the new store was built
	require.NoError(t, s.commit(Batch{{Key: []byte("190"), Delete: true}, {Key: []byte("191"), Value: []byte("new")}}))
	n, err := Open(dir, "things", s.options())
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Close(context.Background())) }()
	require.NoError(t, n.CatchUp(s.Store))
	lease.Release()
	require.Equal(t, s.Ledger().Version, n.Ledger().Version)
	require.NoError(t, n.Prove(context.Background(), s.Ledger()))
	after, err := n.Stats()
	require.NoError(t, err)
	require.Less(t, after.Fragmentation, 0.05)
	require.Less(t, after.FileBytes, before.FileBytes*4/10, "at least 60 percent come back")
	require.Equal(t, before.Records, after.Records)
}

func TestGuards(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	_, err := Open(dir, "t", Options{})
	require.ErrorIs(t, err, ErrLost)

	s := newStore(t)
	s.put("k", "v")
	_, err = Open(s.Dir(), "things", Options{})
	require.ErrorIs(t, err, ErrLocked)
	// While a store is open, such a file may be its next memtable.
	fresh := filepath.Join(s.Dir(), "00098.mem")
	require.NoError(t, os.WriteFile(fresh, nil, 0o600))
	_, err = Open(s.Dir(), "things", Options{})
	require.ErrorIs(t, err, ErrLocked)
	require.FileExists(t, fresh)
	require.NoError(t, os.Remove(fresh))
	require.NoError(t, s.Close(context.Background()))
	manifest := filepath.Join(s.Dir(), "MANIFEST")
	require.NoError(t, os.Rename(manifest, manifest+"-gone"))
	_, err = Open(s.Dir(), "things", Options{})
	require.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, os.Rename(manifest+"-gone", manifest))

	// What a kill between making and sizing a memtable's file leaves.
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir(), "00099.mem"), nil, 0o600))
	again, err := Open(s.Dir(), "things", s.options())
	require.NoError(t, err)
	_, err = again.Get([]byte("k"))
	require.NoError(t, err)
	s.Store = again
}

func TestWitnessNoticesALostTail(t *testing.T) {
	s := newStore(t)
	s.put("k", "v")
	require.NoError(t, s.witness.saw(s.v+1))
	require.NoError(t, s.Close(context.Background()))
	_, err := Open(s.Dir(), "things", Options{})
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "gone")
}

func TestNoSpaceRefusesWritesOnly(t *testing.T) {
	s := newStore(t)
	s.put("k", "v")
	s.opts.MinFree, s.opts.Free = 1<<20, func(string) (uint64, error) { return 1<<20 - 1, nil }
	require.ErrorIs(t, s.commit(Batch{{Key: []byte("x")}}), ErrNoSpace)
	_, err := s.Get([]byte("k"))
	require.NoError(t, err)
	s.opts.Free = func(string) (uint64, error) { return 1 << 20, nil }
	s.put("x", "after space came back")
	s.opts.Free = func(string) (uint64, error) { return 1 << 30, nil } // what its close needs
}

func TestCloseEndsReadersAndRefusesNewOnes(t *testing.T) {
	s := newStore(t)
	for i := range 10 {
		s.put(fmt.Sprint(i), "v")
	}
	l, err := s.Lease()
	require.NoError(t, err)
	short, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Close(short), context.Canceled, "a lease is held")
	for _, err := range l.Scan(Range{}) {
		require.ErrorIs(t, err, ErrClosed)
	}
	_, err = s.Get([]byte("1"))
	require.ErrorIs(t, err, ErrClosed)
	l.Release()
	l.Release()
	require.NoError(t, s.Close(context.Background()))
	require.ErrorIs(t, s.commit(Batch{{Key: []byte("x")}}), ErrClosed)
}

func TestTableDirSwap(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "things")
	_, err := OpenTableDir(disk.OS, dir, "things")
	require.ErrorIs(t, err, ErrLost)
	d, s, err := CreateTableDir(disk.OS, dir, "things", Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close(context.Background()))
	first := d.Current()

	scratch := d.Scratch()
	require.NoError(t, Build(context.Background(), scratch, "things", func(func(Entry, error) bool) {}, Ledger{}))
	staged, err := d.Stage(scratch)
	require.NoError(t, err)
	// A crash before the swap: the staged store goes, the first one stays.
	again, err := OpenTableDir(disk.OS, dir, "things")
	require.NoError(t, err)
	require.Equal(t, first, again.Current())
	require.NoDirExists(t, staged)

	scratch = again.Scratch()
	require.NoError(t, Build(context.Background(), scratch, "things", func(func(Entry, error) bool) {}, Ledger{}))
	staged, err = again.Stage(scratch)
	require.NoError(t, err)
	replaced, err := again.Swap(WhyRestore)
	require.NoError(t, err)
	require.Equal(t, first, replaced)
	// A kill while a store's list of files is written, of the table or of what is kept.
	for _, store := range []string{first, staged} {
		require.NoError(t, os.WriteFile(filepath.Join(store, ".tmp-FILES"), nil, 0o600))
	}
	last, err := OpenTableDir(disk.OS, dir, "things")
	require.NoError(t, err)
	require.Equal(t, staged, last.Current())
	require.NoFileExists(t, filepath.Join(first, ".tmp-FILES"))
	require.NoFileExists(t, filepath.Join(staged, ".tmp-FILES"))
	require.DirExists(t, first, "what a restore replaced is kept")
}

// A kill while a table is made leaves nothing that looks like a lost table's store.
func TestTableKilledWhileItWasMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "things")
	d := &TableDir{fs: disk.OS, table: "things", dir: dir}
	require.NoError(t, disk.OS.MkdirAll(d.stores()))
	id := newStoreID(time.Now())
	require.NoError(t, d.write(marker{Format: markerFormat, Table: "things", Pending: id}))
	require.NoError(t, os.Mkdir(d.path(id), 0o700))
	_, err := OpenTableDir(disk.OS, dir, "things")
	require.ErrorIs(t, err, ErrLost)
	require.NoDirExists(t, d.path(id))
	_, s, err := CreateTableDir(disk.OS, dir, "things", Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close(context.Background()))
	_, err = OpenTableDir(disk.OS, dir, "things")
	require.NoError(t, err)
}
