package actors

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// Whoever reads does not notice that the store under the table is exchanged: open
// scans and pins go on to their end, and no get is refused.
func TestReadersDoNotNoticeACompaction(t *testing.T) {
	r := newRig(t, nil, "a")
	for i := range 100 {
		r.put("a", fmt.Sprint("k", i), "v")
	}
	a := r.table("a")
	lease, err := a.Lease()
	require.NoError(t, err)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := a.Get([]byte("k1")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		_, _, err := a.Compact(r.ctx())
		require.NoError(t, err)
		r.put("a", "k1", "w")
	}
	stop.Store(true)
	wg.Wait()
	n := 0
	for rec, err := range lease.Scan(storage.Range{}) {
		require.NoError(t, err)
		require.Equal(t, "v", string(rec.Value))
		n++
	}
	require.Equal(t, 100, n)
	lease.Release()
}
