package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/brockdb/brock/test/bench/records"
)

// A pace is so many puts a second, by so many writers, to a working set of so many
// records beside those that lie still. (Random puts over all of the table are another
// matter: there Badger rewrites table after table, and what is measured is that.)
const (
	paceRate    = 10_000
	paceWriters = 64
	paceRecords = 10_000
)

// pace writes at the rate until ctx ends, and returns how long each put took. A writer that has fallen behind counts from when its put was
// due: a store that stops for a second has been slow for all that should have been
// written meanwhile.
func pace(ctx context.Context, put func(key, value []byte) error) ([]time.Duration, error) {
	const every = time.Second * paceWriters / paceRate
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range paceWriters {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			var took []time.Duration
			var err error
			for due := begin.Add(every * time.Duration(w) / paceWriters); err == nil && ctx.Err() == nil; due = due.Add(every) {
				i := rng.IntN(paceRecords)
				key, value := fmt.Appendf(nil, "work/%08d", i), records.Value(i, 1<<10+rng.IntN(1<<10))
				from := due
				if wait := time.Until(due); wait > 0 {
					time.Sleep(wait)
					from = time.Now() // sleep's own lateness is not the store's
				}
				err = put(key, value)
				took = append(took, time.Since(from))
			}
			mu.Lock()
			defer mu.Unlock()
			if all = append(all, took...); err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return all, failed
}

// paced runs f while the pace goes on, after a second without it, and at least for
// the given time.
func paced(ctx context.Context, atLeast time.Duration, put func(key, value []byte) error, f func() error) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	go func() {
		defer stop()
		began := time.Now()
		if failed = f(); failed == nil {
			time.Sleep(time.Until(began.Add(atLeast)))
		}
	}()
	all, err := pace(ctx, put)
	if err == nil {
		err = failed
	}
	return all, err
}
