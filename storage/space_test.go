package storage

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// room is a disk with as much room as it is told.
type room struct{ free atomic.Uint64 }

func (r *room) options(minFree int64) Options {
	return Options{MinFree: minFree, Free: func(string) (uint64, error) { return r.free.Load(), nil }}
}

// A close would write what the memtables hold. Where there is no room for that it says so
// at once, loses nothing, and goes on when there is.
func TestCloseWaitsForSpace(t *testing.T) {
	ctx, dir, r := context.Background(), filepath.Join(t.TempDir(), "s"), &room{}
	r.free.Store(1 << 40)
	s, err := Create(dir, "things", r.options(1))
	require.NoError(t, err)
	_, err = s.Commit(1<<20, []Batch{{{Key: []byte("k"), Value: make([]byte, 3<<10)}}})
	require.NoError(t, err)
	r.free.Store(1 << 20)
	for range 2 {
		require.ErrorIs(t, s.Close(ctx), ErrNoSpace)
	}
	killed := filepath.Join(t.TempDir(), "s") // now, it leaves this
	require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
	_, err = Open(killed, "things", r.options(1))
	require.ErrorIs(t, err, ErrNoSpace)
	require.NotErrorIs(t, err, ErrDamaged)
	r.free.Store(1 << 40)
	<-s.closed
	require.NoError(t, s.Close(ctx))
	for _, dir := range []string{dir, killed} {
		s, err = Open(dir, "things", r.options(1))
		require.NoError(t, err)
		rec, err := s.Get([]byte("k"))
		require.NoError(t, err)
		require.Len(t, rec.Value, 3<<10)
		require.NoError(t, s.Close(ctx))
	}
}

// What is built leaves as much of the disk as is kept back: it ends before that is gone,
// and not when the disk is full.
func TestABuildLeavesWhatIsKeptBack(t *testing.T) {
	const kept = 64 << 20
	home, r := t.TempDir(), &room{}
	r.free.Store(kept + 30<<20)
	var want Ledger
	written := 0
	entries := func(n int) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			want, written = Ledger{Version: 1 << 20, Commits: 1}, 0
			for i := range n {
				key, value := []byte{byte(i >> 8), byte(i)}, make([]byte, 20<<10)
				e, h := seal(key, value, 1<<20, time.Time{})
				want.Add(&Record{Key: key, Value: value}, h)
				written += len(value)
				r.free.Add(^uint64(len(value) - 1)) // as a real disk
				if !yield(Entry{Key: key, Version: 1 << 20, Envelope: e}, nil) {
					return
				}
			}
		}
	}
	dir := filepath.Join(home, "large")
	err := r.options(kept).Build(context.Background(), dir, "things", entries(5000), want)
	require.ErrorIs(t, err, ErrNoSpace)
	require.Less(t, written, 30<<20, "it has taken what is kept back")
	require.Greater(t, written, 4<<20)
	require.NoDirExists(t, dir)
	r.free.Store(kept)
	require.ErrorIs(t, r.options(kept+1).Build(context.Background(), dir, "things", entries(1), want), ErrNoSpace)
}
