package storage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// smallStore is a store whose memtables and tables are so small that a few hundred
// commits flush, compact on several levels, and fill value-log files.
func smallStore(t testing.TB, dir string) *Store {
	t.Helper()
	opts := Options{MinFree: -1, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	s := &Store{table: "things", dir: dir, opts: opts, log: opts.Logger, closed: make(chan struct{}), opened: dir}
	db, err := badger.OpenManaged(badgerOptions(dir, opts).WithMemTableSize(256 << 10).WithBaseTableSize(64 << 10).
		WithBaseLevelSize(256 << 10).WithNumLevelZeroTables(2).WithValueLogFileSize(1 << 20).WithSyncWrites(false))
	require.NoError(t, err)
	s.db = db
	s.blocks = newBlockCheck(s)
	require.NoError(t, s.load())
	s.readers.init()
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, s.Close(ctx))
}

// restored is an image as a vault would hold it.
type restored struct {
	tables []TableFile
	logs   []ValueLog
	tail   []RawEntry
}

// restore copies the image into dir, assembles and completes it. It may run beside
// commits, as a backup does.
func (img *Image) restore(t testing.TB, dir string) restored {
	t.Helper()
	r := img.copyTo(t, dir)
	require.NoError(t, Assemble(dir, "things", r.tables))
	require.NoError(t, Complete(context.Background(), dir, "things", r.entries, img.l.Ledger))
	return r
}

func (img *Image) copyTo(t testing.TB, dir string) (r restored) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	var sums []TableSum
	for i, f := range img.Tables {
		to := TableFile{ID: uint64(i + 1), Level: f.Level}
		fileOf(t, filepath.Join(dir, TableName(to.ID)), func(w io.Writer) {
			sum, err := img.Copy(ctx, w, f)
			require.NoError(t, err)
			require.Equal(t, f.MaxVersion, sum.MaxVersion)
			sums = append(sums, sum)
		})
		r.tables = append(r.tables, to)
	}
	var err error
	r.logs, err = img.ValueLogs(sums...)
	require.NoError(t, err)
	for _, f := range r.logs {
		fileOf(t, filepath.Join(dir, ValueLogName(f.ID)), func(w io.Writer) { require.NoError(t, img.CopyLog(ctx, w, f)) })
	}
	for e, err := range img.Tail() {
		require.NoError(t, err)
		require.Greater(t, e.Version, img.Through)
		require.LessOrEqual(t, e.Version, img.l.Version)
		r.tail = append(r.tail, RawEntry{Key: bytes.Clone(e.Key), Version: e.Version, Value: bytes.Clone(e.Value), Deleted: e.Deleted})
	}
	return r
}

func (r restored) entries(yield func(RawEntry, error) bool) {
	for _, e := range r.tail {
		if !yield(e, nil) {
			return
		}
	}
}

func fileOf(t testing.TB, path string, write func(io.Writer)) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	write(f)
	require.NoError(t, f.Close())
}

// model is what a store should hold.
type model map[string]Record

func (m model) equals(t testing.TB, s *Store) {
	t.Helper()
	l, err := s.Lease()
	require.NoError(t, err)
	defer l.Release()
	n := 0
	for e, err := range l.Entries() {
		require.NoError(t, err)
		got, _, problem := e.Open()
		require.Empty(t, problem)
		want, ok := m[string(got.Key)]
		require.True(t, ok, "key %q should not be there", got.Key)
		require.Equal(t, want.Version, got.Version, "key %q", got.Key)
		require.True(t, want.ExpiresAt.Equal(got.ExpiresAt), "key %q", got.Key)
		require.True(t, bytes.Equal(want.Value, got.Value), "key %q", got.Key)
		n++
	}
	require.Equal(t, len(m), n, "records are missing")
}

// randomWriter commits at random and knows what the store should hold.
type randomWriter struct {
	t    testing.TB
	s    *Store
	rng  *rand.Rand
	mu   sync.Mutex // held over a commit, and over a pin
	v    Version
	m    model
	keys int
	ops  int // per commit; 0: a few
}

func newWriter(t testing.TB, s *Store, seed uint64) *randomWriter {
	return &randomWriter{t: t, s: s, rng: rand.New(rand.NewPCG(seed, 1)), v: VersionAt(time.Now()), m: model{}, keys: 400}
}

func (w *randomWriter) commit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.v += 1 + Version(w.rng.IntN(40_000)) // ahead through minutes, so that the ledger's key changes
	var b Batch
	for range max(w.ops, 1+w.rng.IntN(8)) {
		b = append(b, w.op())
	}
	out, err := w.s.Commit(w.v, []Batch{b})
	if err != nil || out.Each[0] != nil {
		w.t.Errorf("commit: %v %v", err, out.Each)
		return
	}
	for _, c := range out.Changes {
		if c.Envelope == nil {
			delete(w.m, string(c.Key))
			continue
		}
		r, _, _ := Entry{Key: bytes.Clone(c.Key), Version: c.Version, Envelope: bytes.Clone(c.Envelope)}.Open()
		w.m[string(c.Key)] = r
	}
}

func (w *randomWriter) op() Op {
	op := Op{Key: fmt.Appendf(nil, "key-%05d", w.rng.IntN(w.keys))}
	size := w.rng.IntN(2000)
	switch w.rng.IntN(20) {
	case 0, 1, 2, 3, 4:
		op.Delete = true
		return op
	case 5:
		size = largeValue - envelopeMaximum + w.rng.IntN(30_000)
	case 6, 7:
		op.ExpiresAt = time.Now().Add(time.Duration(w.rng.IntN(1000)) * time.Hour)
	}
	op.Value = make([]byte, size)
	for i := range op.Value {
		op.Value[i] = byte(w.rng.Uint32())
	}
	return op
}

// cut pins the store between two commits and takes down what it should hold.
func (w *randomWriter) cut() (*Lease, *Image, model) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.v += 1 + Version(w.rng.IntN(3000))
	l, err := w.s.Pin(w.v)
	require.NoError(w.t, err)
	img, err := l.Image(context.Background())
	require.NoError(w.t, err)
	require.NoError(w.t, img.Measure())
	return l, img, maps.Clone(w.m)
}

// background runs f over and over until stop is called.
func background(f func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				f()
			}
		}
	}()
	return func() { close(done); <-ended }
}

// Tables pinned at a cut and the tail are the table at the cut, whatever is
// committed, flushed, compacted and discarded while they are copied.
// BROCK_IMAGE_ROUNDS makes it run longer, BROCK_IMAGE_SEED begins elsewhere.
func TestImageIsTheCut(t *testing.T) {
	rounds, seed := envInt(t, "BROCK_IMAGE_ROUNDS", 4), uint64(envInt(t, "BROCK_IMAGE_SEED", 1))
	w := newWriter(t, smallStore(t, t.TempDir()), seed)
	for range 200 {
		w.commit()
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	withTables, withLogs, withTail := 0, 0, 0
	for round := range rounds {
		stopWrites := background(w.commit)
		stopDiscards := background(func() { w.s.Discard(MaxVersion); time.Sleep(time.Millisecond) })
		stopCompactions := func() {}
		if round%2 == 1 {
			stopCompactions = background(func() { _ = w.s.db.Flatten(1); time.Sleep(5 * time.Millisecond) })
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		lease, img, want := w.cut()
		if round%4 > 1 { // also what the cut needs is discarded
			img.Alone()
		}
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond) // versions above the cut are flushed, what it needs is discarded
		dir := filepath.Join(t.TempDir(), "r")
		r := img.restore(t, dir)
		lease.Release()
		stopWrites()
		stopDiscards()
		stopCompactions()
		withTables, withLogs, withTail = withTables+min(1, len(r.tables)), withLogs+min(1, len(r.logs)), withTail+min(1, len(r.tail))

		s := smallStore(t, dir)
		want.equals(t, s)
		require.Equal(t, lease.Ledger, s.Ledger())
		goesOn(t, s, dir, want, w.v, seed+uint64(round))
	}
	t.Logf("of %d images %d had tables, %d value logs, %d a tail", rounds, withTables, withLogs, withTail)
	require.Equal(t, rounds, withTables, "the pin took the slow road")
	require.Equal(t, rounds, withLogs)
	require.Positive(t, withTail)
}

// goesOn writes to a restored store, large values too, and opens it again.
func goesOn(t testing.TB, s *Store, dir string, m model, v Version, seed uint64) {
	t.Helper()
	w := newWriter(t, s, seed)
	w.m, w.v = m, max(v, w.v)
	for range 60 {
		w.commit()
	}
	m.equals(t, s)
	imageHolds(t, w) // of a store that an image made
	closeStore(t, s)
	s = smallStore(t, dir)
	m.equals(t, s)
	require.NoError(t, s.readAll(context.Background(), s.Ledger()))
	closeStore(t, s)
}

func envInt(t testing.TB, name string, otherwise int) int {
	if s := os.Getenv(name); s != "" {
		var n int
		_, err := fmt.Sscan(s, &n)
		require.NoError(t, err)
		return n
	}
	return otherwise
}

// What a deletion hides stays hidden, although a compaction after the pin drops the
// tombstone: the tail is read as of the pin.
func TestImageTailKeepsTombstones(t *testing.T) {
	s := smallStore(t, t.TempDir())
	v := VersionAt(time.Now())
	put := func(b Batch) {
		t.Helper()
		v++
		out, err := s.Commit(v, []Batch{b})
		require.NoError(t, err)
		require.NoError(t, out.Each[0])
	}
	fill := func() { // flushes what was committed before
		for i := range 300 {
			put(Batch{{Key: fmt.Appendf(nil, "filler-%03d", i), Value: make([]byte, 2000)}})
		}
	}
	put(Batch{{Key: []byte("dead"), Value: []byte("alive"), ExpiresAt: time.Now().Add(time.Hour)}})
	fill()
	require.Eventually(t, func() bool { return len(s.db.Tables()) > 0 }, 5*time.Second, time.Millisecond)
	put(Batch{{Key: []byte("dead"), Delete: true}})
	s.Discard(v) // all is in a vault already: the mark may come up to here
	lease, err := s.Pin(v)
	require.NoError(t, err)
	img, err := lease.Image(context.Background())
	require.NoError(t, err)
	require.NoError(t, img.Measure())
	require.NotEmpty(t, img.Tables)
	fill()
	fill()
	require.Eventually(t, func() bool {
		require.NoError(t, s.db.Flatten(1))
		return !storedAnywhere(s, "rdead")
	}, 10*time.Second, 20*time.Millisecond, "the compaction should drop the tombstone")
	dir := filepath.Join(t.TempDir(), "r")
	img.restore(t, dir)
	lease.Release()
	r := smallStore(t, dir)
	_, err = r.Get([]byte("dead"))
	require.ErrorIs(t, err, ErrNotFound)
}

// A pin holds old versions, and an image that is alone does not.
func TestImageAlone(t *testing.T) {
	w := newWriter(t, smallStore(t, t.TempDir()), 9)
	w.commit()
	lease, img, _ := w.cut()
	defer lease.Release()
	w.commit()
	mark := func() Version {
		w.s.Discard(MaxVersion)
		return Version(w.s.readers.discard.Load())
	}
	require.Equal(t, lease.Ledger.Version, mark())
	img.Alone()
	require.Equal(t, w.s.Ledger().Version, mark())
}

func storedAnywhere(s *Store, key string) bool {
	txn := s.db.NewTransactionAt(uint64(MaxVersion), false)
	defer txn.Discard()
	it := txn.NewKeyIterator([]byte(key), badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	it.Rewind()
	return it.Valid()
}

// Empty tables, tables that are in memtables only, and tables of which all is in
// files are images like any other.
func TestImageOfEdges(t *testing.T) {
	for name, prepare := range map[string]func(w *randomWriter){
		"empty":     func(*randomWriter) {},
		"memtables": func(w *randomWriter) { w.commit(); w.commit() },
		"one large": func(w *randomWriter) {
			w.v++
			out, err := w.s.Commit(w.v, []Batch{{{Key: []byte("k"), Value: make([]byte, 900_000)}}})
			require.NoError(t, err)
			w.m["k"] = Record{Key: []byte("k"), Value: make([]byte, 900_000), Version: out.Ledger.Version}
		},
		"files": func(w *randomWriter) {
			for range 150 {
				w.commit()
			}
			closeStore(t, w.s)
			w.s = smallStore(w.t, w.s.dir)
		},
		"all deleted": func(w *randomWriter) {
			for range 50 {
				w.commit()
			}
			for _, k := range slices.Sorted(maps.Keys(w.m)) {
				w.v++
				_, err := w.s.Commit(w.v, []Batch{{{Key: []byte(k), Delete: true}}})
				require.NoError(t, err)
				delete(w.m, k)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, smallStore(t, t.TempDir()), 7)
			prepare(w)
			lease, img, want := w.cut()
			defer lease.Release()
			dir := filepath.Join(t.TempDir(), "r")
			r := img.restore(t, dir)
			switch name {
			case "empty":
				require.Empty(t, r.tables)
				require.Empty(t, r.tail)
			case "memtables", "one large":
				require.Empty(t, r.tables)
				require.Empty(t, r.logs)
				require.NotEmpty(t, r.tail)
			case "files":
				require.NotEmpty(t, r.tables)
				require.NotEmpty(t, r.logs)
				for _, e := range r.tail {
					require.Equal(t, lease.Ledger.Version, e.Version)
				}
			}
			s, err := Open(dir, "things", Options{MinFree: -1})
			require.NoError(t, err)
			want.equals(t, s)
			require.Equal(t, lease.Ledger, s.Ledger())
			closeStore(t, s)
			require.FileExists(t, filepath.Join(dir, witnessName))
			goesOn(t, smallStore(t, dir), dir, want, w.v, 3)
		})
	}
}

// An image that is taken too late, when a table has commits beyond the cut already,
// has no tables and is right all the same.
func TestLateImageIsAllTail(t *testing.T) {
	w := newWriter(t, smallStore(t, t.TempDir()), 5)
	for range 100 {
		w.commit()
	}
	lease, err := w.s.Pin(w.v)
	require.NoError(t, err)
	want := maps.Clone(w.m)
	for range 300 {
		w.commit()
	}
	require.Eventually(t, func() bool {
		_, ok := through(w.s.db.Tables(), lease.Version)
		return !ok
	}, 5*time.Second, time.Millisecond)
	img, err := lease.Image(context.Background())
	require.NoError(t, err)
	require.NoError(t, img.Measure())
	require.Empty(t, img.Tables)
	dir := filepath.Join(t.TempDir(), "r")
	img.restore(t, dir)
	lease.Release()
	s := smallStore(t, dir)
	want.equals(t, s)
}
