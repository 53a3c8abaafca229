package actors

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
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

// A restore that comes while the table is opened once more, in vain, is not refused for
// that: it is what the table waits for.
func TestARestoreMeetsAnOpeningThatFails(t *testing.T) {
	var crash, holding, held atomic.Bool
	reopened, opened := make(chan func(), 1), make(chan func(), 1)
	r := newRig(t, func(c *Config) {
		c.Probe = func(d Delivery) {
			switch {
			case d.Actor == TableActor("a") && d.Message == "apply" && crash.CompareAndSwap(true, false):
				panic("the test makes the actor crash")
			case !holding.Load():
			case d.Message == "reopen" && held.CompareAndSwap(false, true):
				reopened <- d.Again
				return
			case d.Message == "opened":
				opened <- d.Again
				return
			case d.Message == "exchange":
				holding.Store(false)
				d.Handle()
				(<-opened)() // only now the actor learns how its opening ended
				return
			}
			d.Handle()
		}
	}, "a")
	r.put("a", "k", "v")
	run, err := r.Backup().Backup(r.ctx(), TriggerAPI)
	require.NoError(t, err)
	a := r.table("a")
	old := a.t.dir.Current()
	crash.Store(true)
	holding.Store(true)
	_, err = a.Apply(r.ctx(), storage.Batch{{Key: []byte("k")}})
	require.ErrorIs(t, err, storage.ErrUnavailable)

	again := <-reopened
	<-a.t.closers.ended()
	other, err := storage.Open(old, "a", r.cfg.Store) // and so the table cannot be opened
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(r.ctx())) }()
	again()
	_, err = a.Restore(r.ctx(), run.Cut, func(ctx context.Context, dir string) error {
		_, err := r.cfg.Vault.BuildStore(ctx, "a", vault.SnapshotName(run.Cut, run.ID), dir, nil)
		return err
	})
	require.NoError(t, err)
	require.Equal(t, "v", r.get("a", "k"))
}

// Compactions that come while the tables close are done, or refused, and never go on
// behind Close. That they could begin while Close already waited for them is a race that
// go test -race finds.
func TestCompactionsMeetTheEnd(t *testing.T) {
	for range 5 {
		r := newRig(t, nil, "a")
		r.put("a", "k", "v")
		a := r.table("a")
		var begun, wg sync.WaitGroup
		var closed atomic.Bool
		for range 4 {
			begun.Add(1)
			wg.Go(func() {
				for first := true; ; first = false {
					late := closed.Load()
					_, _, err := a.Compact(r.ctx())
					if first {
						begun.Done()
					}
					if err == nil && late {
						t.Error("a compaction after the end")
					}
					if err != nil {
						return
					}
				}
			})
		}
		begun.Wait()
		require.NoError(t, r.Close(r.ctx()))
		closed.Store(true)
		wg.Wait()
	}
}
