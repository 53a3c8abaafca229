package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/bench/records"
	"golang.org/x/sync/errgroup"
)

const putsFor = 3 * time.Second

// puts is what the change log costs those who write.
func (b *bench) puts(ctx context.Context) error {
	for _, unsynced := range []bool{false, true} {
		for _, writers := range []int{1, 64} {
			var on, off, ratio []float64
			for i := range max(*rounds, 5) {
				// In turn, and each first as often as second.
				pair := [2]float64{}
				for _, j := range [2]int{i % 2, 1 - i%2} {
					var err error
					if pair[j], err = b.putsOnce(ctx, unsynced, writers, j == 0); err != nil {
						return err
					}
				}
				on, off, ratio = append(on, pair[0]), append(off, pair[1]), append(ratio, pair[0]/pair[1])
			}
			sync := "synced"
			if unsynced {
				sync = "unsynced"
			}
			row(fmt.Sprintf("puts with the change log, %s, %d writers", sync, writers), perSecond(mid(on)), "without it "+perSecond(mid(off)), times(mid(ratio)), "0.9×")
		}
	}
	return nil
}

func (b *bench) putsOnce(ctx context.Context, unsynced bool, writers int, log bool) (rate float64, err error) {
	cfg := b.config()
	cfg.Data = filepath.Join(b.dir, "puts")
	cfg.Vault, cfg.Unsynced = filepath.Join(b.dir, "puts-vault"), unsynced
	if !log {
		cfg.LogInterval = -1
	}
	err = with(ctx, cfg, func(_ *app.Hub, t *app.Table) error {
		values := make([][]byte, 4096)
		for i := range values {
			values[i] = records.Value(i, 0)
		}
		var done atomic.Int64
		var g errgroup.Group
		end := time.Now().Add(putsFor)
		for w := range writers {
			g.Go(func() error {
				rng := rand.New(rand.NewPCG(uint64(w), 7))
				for time.Now().Before(end) {
					if _, err := t.Put(ctx, records.Key(rng.IntN(100_000)), values[rng.IntN(len(values))]); err != nil {
						return err
					}
					done.Add(1)
				}
				return nil
			})
		}
		err := g.Wait()
		rate = float64(done.Load()) / putsFor.Seconds()
		return err
	})
	return rate, errors.Join(err, os.RemoveAll(cfg.Data), os.RemoveAll(cfg.Vault))
}

func perSecond(r float64) string { return fmt.Sprintf("%.1f k/s", r/1000) }
