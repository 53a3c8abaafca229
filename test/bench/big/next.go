package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
)

// next is what a snapshot costs after 1 % of the records have changed.
func (b *bench) next(ctx context.Context) error {
	peer, err := b.nextPeer()
	if err != nil {
		return err
	}
	return with(ctx, b.config(), func(h *app.Hub, t *app.Table) error {
		if _, err := h.Backup(ctx); err != nil { // which the next ones go on from
			return err
		}
		b.backedUp = true
		round := 0
		measure := func(figure string, wait time.Duration) error {
			var took []time.Duration
			var wrote []float64 // for each byte changed; a merge of the log may make it shrink
			var size int64
			for range *rounds {
				round++
				d, w, c, err := b.nextOnce(ctx, h, t, round, wait)
				if err != nil {
					return err
				}
				took, wrote, size = append(took, d), append(wrote, float64(w)/float64(c)), c
			}
			compare(figure, median(took), "`DB.Backup(since)` + fsync", peer, "1×")
			if len(b.full1) > 0 {
				row("— its share of a full one", show(median(took)), "full "+show(median(b.full1)), times(float64(median(took))/float64(median(b.full1))), "0.03×")
			}
			row("— what the vault grew by, change log included", mega(int64(mid(wrote)*float64(size))), "changed bytes "+mega(size), times(mid(wrote)), "1.5×")
			return nil
		}
		if err := measure("next snapshot, 1 % changed this moment", 0); err != nil {
			return err
		}
		if err := measure("next snapshot, 1 % changed, the log at rest", 2*time.Second); err != nil {
			return err
		}
		if _, err := h.Compact(ctx); err != nil {
			return err
		}
		return measure("next snapshot, 1 % changed right after a full compaction", 0)
	})
}

func (b *bench) nextOnce(ctx context.Context, h *app.Hub, t *app.Table, round int, wait time.Duration) (took time.Duration, wrote, changed int64, err error) {
	before, err := sizeOf(b.vaultDir())
	if err != nil {
		return
	}
	if changed, err = b.changeHub(ctx, t, round); err != nil {
		return
	}
	time.Sleep(wait)
	began := time.Now()
	run, err := h.Backup(ctx)
	took = time.Since(began)
	if err != nil {
		return
	}
	after, err := sizeOf(b.vaultDir())
	if os.Getenv("BROCK_BENCH_VERBOSE") != "" {
		fmt.Fprintf(os.Stderr, "round %d: %v, run %v ms, %+v\n", round, took, run.DurationMS, run.Results[0])
	}
	return took, after - before, changed, err
}

// nextPeer is DB.Backup since the last one.
func (b *bench) nextPeer() (time.Duration, error) {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return 0, err
	}
	var took []time.Duration
	file := filepath.Join(b.dir, "peer.next")
	since := db.MaxVersion()
	for round := 1; round <= *rounds && err == nil; round++ {
		if err = b.changePeer(db, round); err != nil {
			break
		}
		began := time.Now()
		since, err = dumpPeer(db, file, since)
		took = append(took, time.Since(began))
	}
	return median(took), errors.Join(err, db.Close())
}
