package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/dgraph-io/badger/v4"
)

const (
	idleFor  = 5 * time.Second
	copyRate = 100 << 20 // for the limited copy
)

// latency is how long puts take, at 10,000 a second, beside a full backup.
func (b *bench) latency(ctx context.Context) error {
	idlePeer, busyPeer, err := b.latencyPeer(ctx)
	if err != nil {
		return err
	}
	for _, unsynced := range []bool{false, true} {
		for _, rate := range []int64{0, copyRate} {
			idle, busy, took, err := b.latencyHub(ctx, unsynced, rate)
			if err != nil {
				return err
			}
			name := "puts at 10,000/s, synced"
			if unsynced {
				name = "puts at 10,000/s, unsynced"
			}
			if rate > 0 {
				name += fmt.Sprintf(", copying %s/s", mega(rate))
			}
			row(name+": p50 idle, backing up", show(median(idle))+", "+show(median(busy)), "Badger, unsynced: "+show(median(idlePeer))+", `DB.Backup` "+show(median(busyPeer)), "", "")
			row("— p99 idle, backing up (a backup of "+show(took)+")", show(quantile(idle, 0.99))+", "+show(quantile(busy, 0.99)),
				show(quantile(idlePeer, 0.99))+", `DB.Backup` "+show(quantile(busyPeer, 0.99)),
				times(float64(quantile(busy, 0.99))/float64(quantile(idle, 0.99))), "2×")
		}
	}
	return nil
}

// latencyHub runs idle and busy in turn, each backup a full one into an empty vault.
func (b *bench) latencyHub(ctx context.Context, unsynced bool, rate int64) (idle, busy []time.Duration, took time.Duration, err error) {
	cfg := b.config()
	cfg.Unsynced, cfg.CopyRate = unsynced, rate
	var backups []time.Duration
	cfg.Vault, cfg.LogInterval = filepath.Join(b.dir, "vault-paced"), -1
	cfg.Data = filepath.Join(b.dir, "data-paced") // anew each time: without a log no old version goes
	for range *rounds {
		if err = os.CopyFS(cfg.Data, os.DirFS(b.dataDir())); err != nil {
			break
		}
		err = with(ctx, cfg, func(h *app.Hub, t *app.Table) error {
			settle()
			put := func(key, value []byte) error { _, err := t.Put(ctx, key, value); return err }
			d, err := paced(ctx, idleFor, put, func() error { return nil })
			idle = append(idle, d...)
			if err != nil {
				return err
			}
			d, err = paced(ctx, 0, put, func() error {
				began := time.Now()
				_, err := h.Backup(ctx)
				backups = append(backups, time.Since(began))
				return err
			})
			busy = append(busy, d...)
			return err
		})
		if err = errors.Join(err, os.RemoveAll(cfg.Vault), os.RemoveAll(cfg.Data)); err != nil {
			break
		}
	}
	return idle, busy, median(backups), err
}

func (b *bench) latencyPeer(ctx context.Context) (idle, busy []time.Duration, err error) {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return nil, nil, err
	}
	put := func(key, value []byte) error {
		return db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
	}
	for range *rounds {
		settle()
		d, err := paced(ctx, idleFor, put, func() error { return nil })
		idle = append(idle, d...)
		if err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
		d, err = paced(ctx, 0, put, func() error {
			_, err := dumpPeer(db, filepath.Join(b.dir, "peer.paced"), 0)
			return err
		})
		busy = append(busy, d...)
		if err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
	}
	return idle, busy, db.Close()
}
