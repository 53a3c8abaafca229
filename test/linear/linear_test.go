package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
)

// world is one hub's life: several starts, with clients at work in each.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	h      *harness.Harness
	past   *history
	values atomic.Uint32
	mu     sync.Mutex
	runs   []string
}

// TestHistories crashes actors and restarts the hub under its clients.
func TestHistories(t *testing.T) {
	var sum tally
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			sum.add(live(t, seed))
		})
		if seed%50 == 0 {
			fmt.Printf("linear: %d seeds, %v\n", seed-*first+1, sum)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("seeds %d to %d: %v", *first, *first+uint64(*seeds)-1, sum)
	sum.enough(t)
}

func live(t *testing.T, seed uint64) tally {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 5)), past: &history{}}
	unsynced := w.rng.IntN(3) == 0
	w.h = harness.New(t, harness.Tables(names...), harness.Offline(), harness.Configure(func(c *app.Config) {
		c.Unsynced, c.Keep, c.LogInterval = unsynced, 100, 50*time.Millisecond
	}))
	phases := 2 + w.rng.IntN(2)
	for range phases {
		w.phase()
		w.past.ended()
		w.h.Start()
	}
	for _, name := range names {
		w.h.AwaitServing(name)
	}
	for t := range names {
		w.client(100+t, t, nil).run(w.t.Context(), 0)
	}
	return w.past.check(t, fmt.Sprintf("seed-%d", seed), len(names))
}

func (w *world) client(id, table int, closed <-chan struct{}) *client {
	return &client{id: id, table: table, on: w.h.Table(names[table]), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 6)),
		h: w.past, values: &w.values, closed: closed, hurry: closed != nil}
}

// phase is one start. At its end the hub is stopped, with clients at work or without.
func (w *world) phase() {
	closed := make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var clients, disturbers sync.WaitGroup
	for t := range names {
		for i := range 4 {
			c := w.client(1+t*4+i, t, closed)
			n := 15 + w.rng.IntN(20)
			clients.Go(func() { c.run(ctx, n) })
		}
	}
	for i := range 2 {
		d := &disturber{id: 20 + 2*i, hub: w.h.Hub(), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 8)), h: w.past, mu: &w.mu, runs: &w.runs}
		n := 1 + w.rng.IntN(3)
		disturbers.Go(func() {
			for range n {
				d.disturb(ctx)
			}
		})
	}
	faults := w.crashes()
	if w.rng.IntN(2) == 0 {
		disturbers.Wait()
	} else {
		clients.Wait()
	}
	close(closed)
	w.h.Stop()
	clients.Wait()
	disturbers.Wait()
	for _, f := range faults {
		f.Lift()
	}
}

// crashes makes actors crash once, at one of the next messages about a commit or store.
func (w *world) crashes() (faults []*harness.Fault) {
	for _, name := range names {
		if w.rng.IntN(2) == 0 {
			continue
		}
		about := []harness.Message{harness.Apply, harness.Tick, harness.Committed, harness.Flush, harness.Exchange, harness.Exchanged}
		rule := w.h.TableProbe(name).On(about[w.rng.IntN(len(about))]).Nth(1 + w.rng.IntN(8))
		if w.rng.IntN(2) == 0 {
			faults = append(faults, rule.Panic())
		} else {
			faults = append(faults, rule.PanicAfter())
		}
	}
	return faults
}
