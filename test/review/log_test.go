package review

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

type bench struct {
	t     *testing.T
	dir   string
	clock *storage.Clock
	log   *changelog.Log
	ship  *changelog.Shipper
	fs    *badFS
}

// badFS fails what it is told to.
type badFS struct {
	disk.FS
	create, syncDir error
	in              string
}

func (f *badFS) Create(name string) (disk.File, error) {
	if f.create != nil && strings.Contains(name, f.in) {
		return nil, f.create
	}
	return f.FS.Create(name)
}

func (f *badFS) SyncDir(dir string) error {
	if f.syncDir != nil && strings.Contains(dir, f.in) {
		return f.syncDir
	}
	return f.FS.SyncDir(dir)
}

func newBench(t *testing.T, memory int64) *bench {
	b := &bench{t: t, dir: t.TempDir(), fs: &badFS{FS: disk.OS}}
	var err error
	b.clock, err = storage.OpenClock(disk.OS, filepath.Join(b.dir, "clock"), time.Now)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.clock.Close() })
	b.log, err = changelog.Open(b.fs, filepath.Join(b.dir, "log"), "v", "h", changelog.Options{})
	require.NoError(t, err)
	b.ship = changelog.NewShipper(changelog.ShipperConfig{Log: b.log, Clock: b.clock, Memory: memory})
	return b
}

func (b *bench) store(name string) *storage.Store {
	s, err := storage.Create(filepath.Join(b.dir, name), "a", storage.Options{MinFree: -1})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = s.Close(ctx) })
	return s
}

func (b *bench) commit(tap *changelog.Tap, s *storage.Store, n int) {
	for i := range n {
		tap.Begin()
		v, err := b.clock.Next(storage.MaxVersion)
		require.NoError(b.t, err)
		out, err := s.Commit(v, []storage.Batch{{{Key: []byte("k" + strconv.Itoa(i)), Value: []byte(strconv.FormatUint(uint64(v), 10))}}})
		require.NoError(b.t, err)
		tap.End(storage.Commit{Ledger: out.Ledger, Changes: out.Changes})
	}
}

// As table_exchange does it: End of the restore's commit, then, some mailbox later, Serve
// of the new store. A ship between the two must not claim what the old store cannot know.
func TestShipBetweenSwapAndServe(t *testing.T) {
	b := newBench(t, 1) // the memory is let go at once: the stores are read
	tap := b.ship.Tap("a")
	old, next := b.store("old"), b.store("next")
	tap.Serve(old)
	b.commit(tap, old, 5)
	_, err := b.ship.Ship(ctx)
	require.NoError(t, err)
	b.commit(tap, old, 3) // waits, and is not in memory
	tap.Begin()
	v, err := b.clock.Next(storage.MaxVersion)
	require.NoError(t, err)
	c, err := next.Stamp(v, 0, old.Ledger().Commits)
	require.NoError(t, err)
	tap.End(c)
	_, err = b.ship.Ship(ctx) // the shipper's turn comes here
	require.NoError(t, err)
	tap.Serve(next)
	for range 3 {
		_, err = b.ship.Ship(ctx)
		t.Log(err)
	}
	require.NoError(t, err, "the log of the whole hub stands still, for ever")
}

// A table that does not serve is restored while the log cannot be written and exactly one
// commit waits in memory: the log must get the restore, not the commit that it replaced.
func TestStaleCommitInPlaceOfARestore(t *testing.T) {
	b := newBench(t, 0)
	tap := b.ship.Tap("a")
	old, next := b.store("old"), b.store("next")
	tap.Serve(old)
	b.commit(tap, old, 5)
	_, err := b.ship.Ship(ctx)
	require.NoError(t, err)
	b.commit(tap, old, 1)
	tap.Serve(nil) // damage was found, say
	b.fs.create, b.fs.in = errors.New("disk full"), "log"
	_, err = b.ship.Ship(ctx) // of Restore
	require.Error(t, err)
	tap.Begin() // swap, with old == nil
	v, err := b.clock.Next(storage.MaxVersion)
	require.NoError(t, err)
	c, err := next.Stamp(v, 0, max(next.Ledger().Commits, tap.Shipped().Commits))
	require.NoError(t, err)
	tap.End(c)
	tap.Serve(next)
	b.fs.create = nil
	_, err = b.ship.Ship(ctx)
	require.NoError(t, err)
	st, _ := b.log.Last("a")
	require.Equal(t, next.Ledger().Digest, st.After.Digest, "the log has another state than the store")
}

// refill redoes into the only store. Killed or failed in between, the next start must go on.
func TestRedoInterruptedGoesOn(t *testing.T) {
	b := newBench(t, 0)
	tap := b.ship.Tap("a")
	full := b.store("full")
	tap.Serve(full)
	big := strings.Repeat("x", 30<<10)
	for range 30 {
		v, err := b.clock.Next(storage.MaxVersion)
		require.NoError(t, err)
		var batch storage.Batch
		for i := range 30 {
			batch = append(batch, storage.Op{Key: []byte("k" + strconv.Itoa(i)), Value: []byte(big + strconv.FormatUint(uint64(v), 10))})
		}
		_, err = full.Commit(v, []storage.Batch{batch})
		require.NoError(t, err)
	}
	history := func(s *storage.Store, stop int) iter.Seq2[storage.Commit, error] {
		return func(yield func(storage.Commit, error) bool) {
			l, err := full.Lease()
			require.NoError(t, err)
			defer l.Release()
			n := 0
			for c, err := range l.History(s.Ledger(), storage.MaxVersion) {
				if n++; n == stop {
					yield(storage.Commit{}, errors.New("the vault cannot be read just now"))
					return
				}
				if !yield(c, err) {
					return
				}
			}
		}
	}
	for stop := 2; stop < 16; stop++ {
		dir := filepath.Join(b.dir, "short"+strconv.Itoa(stop))
		short, err := storage.Create(dir, "a", storage.Options{MinFree: -1})
		require.NoError(t, err)
		require.Error(t, short.Refill(t.Context(), history(short, stop)))
		require.NoError(t, short.Close(ctx))
		short, err = storage.Open(dir, "a", storage.Options{MinFree: -1})
		if err != nil {
			t.Errorf("stop %d: open: %v", stop, err)
			continue
		}
		n := short.Ledger().Commits
		if err := short.Refill(t.Context(), history(short, 0)); err != nil {
			t.Errorf("stop before %d, store ends at %d: second start: %v", stop, n, err)
		}
		_ = short.Close(ctx)
	}
}

// A compaction's swap whose marker was renamed but whose sync failed, then the disk is
// full for a moment; the old store serves on. After a restart it must still be there.
func TestSwapOfUnknownOutcome(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	fs := &badFS{FS: disk.OS, in: "a"}
	d, s, err := storage.CreateTableDir(fs, dir, "a", storage.Options{MinFree: -1})
	require.NoError(t, err)
	_, err = s.Commit(storage.VersionAt(time.Now()), []storage.Batch{{{Key: []byte("k"), Value: []byte("v")}}})
	require.NoError(t, err)
	l, err := s.Lease()
	require.NoError(t, err)
	scratch := d.Scratch()
	require.NoError(t, l.Rebuild(ctx, scratch))
	l.Release()
	_, err = d.Stage(scratch)
	require.NoError(t, err)
	fs.syncDir = errors.New("input/output error")
	_, err = d.Swap(storage.WhyCompaction)
	require.Error(t, err) // the table goes on with the old store, and unstage follows
	fs.syncDir, fs.create = nil, errors.New("input/output error")
	require.Error(t, d.Unstage())
	fs.create = nil
	_, err = s.Commit(storage.VersionAt(time.Now())+1<<10, []storage.Batch{{{Key: []byte("k2"), Value: []byte("acknowledged")}}})
	require.NoError(t, err)
	old := s.Dir()
	require.NoError(t, s.Close(ctx))
	d, err = storage.OpenTableDir(disk.OS, dir, "a")
	if err == nil {
		s, err = d.Open(storage.Options{MinFree: -1})
		if err == nil {
			_, err = s.Get([]byte("k2"))
			_ = s.Close(ctx)
		}
	}
	if err != nil {
		t.Error(err)
	}
	_, err = os.Stat(old)
	require.NoError(t, err, "the store with all acknowledged writes was removed")
}

// As before, but killed between the failed swap and Unstage: what was acknowledged meanwhile.
func TestSwapOfUnknownOutcomeThenKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	fs := &badFS{FS: disk.OS, in: "a"}
	d, s, err := storage.CreateTableDir(fs, dir, "a", storage.Options{MinFree: -1})
	require.NoError(t, err)
	_, err = s.Commit(storage.VersionAt(time.Now()), []storage.Batch{{{Key: []byte("k"), Value: []byte("v")}}})
	require.NoError(t, err)
	l, err := s.Lease()
	require.NoError(t, err)
	scratch := d.Scratch()
	require.NoError(t, l.Rebuild(ctx, scratch))
	l.Release()
	_, err = d.Stage(scratch)
	require.NoError(t, err)
	fs.syncDir = errors.New("input/output error")
	_, err = d.Swap(storage.WhyCompaction)
	require.Error(t, err)
	_, err = s.Commit(storage.VersionAt(time.Now())+1<<10, []storage.Batch{{{Key: []byte("k2"), Value: []byte("acknowledged")}}})
	require.NoError(t, err)
	require.NoError(t, s.Close(ctx)) // kill
	d, err = storage.OpenTableDir(disk.OS, dir, "a")
	require.NoError(t, err)
	s, err = d.Open(storage.Options{MinFree: -1})
	require.NoError(t, err)
	defer s.Close(ctx)
	_, err = s.Get([]byte("k2"))
	require.NoError(t, err, "an acknowledged write")
}
