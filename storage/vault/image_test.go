package vault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// While a table's files are copied the table may discard what has become old.
func TestACopyOfFilesHoldsNoOldVersions(t *testing.T) {
	v, lease, img := imaged(t)
	s := lease.Store()
	commitHundred(t, s, lease.Ledger.Version+1000)
	var mu sync.Mutex // Pace is called by several goroutines, on which nothing may fail the test
	var asked int
	var held error // of the last look
	_, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", runAt(0), lease.Version, lease.Ledger}, Source{Image: img},
		WriteOptions{Pace: func(context.Context, int) error {
			mu.Lock()
			defer mu.Unlock()
			asked++
			s.Discard(storage.MaxVersion)
			var l *storage.Lease
			if l, held = s.LeaseAt(lease.Version); held == nil {
				l.Release()
			}
			return nil
		}})
	require.NoError(t, err)
	require.NotZero(t, asked)
	require.ErrorIs(t, held, storage.ErrGap, "the cut is still kept")
}

// A look at a snapshot misses a file of the pool that is gone, and one that is cut.
func TestALookMissesWhatThePoolLost(t *testing.T) {
	v, lease, img := imaged(t)
	snap, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", runAt(0), lease.Version, lease.Ledger}, Source{Image: img}, WriteOptions{})
	require.NoError(t, err)
	pool, err := filepath.Glob(filepath.Join(v.poolDir("t"), "*."+KindTable))
	require.NoError(t, err)
	require.NotEmpty(t, pool)
	look := func() error {
		_, err := v.lookAt(newLooks(), "t", snap.Name)
		return err
	}
	require.NoError(t, look())
	require.NoError(t, os.Truncate(pool[0], 1))
	require.ErrorIs(t, look(), storage.ErrDamaged)
	require.ErrorContains(t, look(), "has 1 bytes")
	require.NoError(t, os.Remove(pool[0]))
	require.ErrorIs(t, look(), storage.ErrDamaged)
	require.ErrorContains(t, look(), filepath.Base(pool[0]))
}

// imaged is a store pinned a little above its last commit, of which all lies in files, and
// a vault that copies such a store as files, however small it is.
func imaged(t *testing.T) (*Vault, *storage.Lease, *storage.Image) {
	t.Helper()
	v, err := Open(disk.OS, t.TempDir(), me, Options{ImageMin: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	s := storeWithFiles(t)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	lease, err := s.Pin(storage.VersionAt(epoch) + 1000)
	require.NoError(t, err)
	t.Cleanup(lease.Release)
	img, err := lease.Image(t.Context())
	require.NoError(t, err)
	return v, lease, img
}

func storeWithFiles(t *testing.T) *storage.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s")
	s, err := storage.Create(dir, "t", storage.Options{MinFree: -1})
	require.NoError(t, err)
	commitHundred(t, s, storage.VersionAt(epoch))
	require.NoError(t, s.Close(context.Background()))
	s, err = storage.Open(dir, "t", storage.Options{MinFree: -1})
	require.NoError(t, err)
	return s
}

func commitHundred(t *testing.T, s *storage.Store, v storage.Version) {
	t.Helper()
	for i := range 100 {
		_, err := s.Commit(v+storage.Version(i), []storage.Batch{{{Key: fmt.Appendf(nil, "key-%02d", i), Value: make([]byte, 1<<10)}}})
		require.NoError(t, err)
	}
}
