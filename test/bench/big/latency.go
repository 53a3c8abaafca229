package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/dgraph-io/badger/v4"
)

const copyRate = 100 << 20 // for the limited copy

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

// latencyHub takes a full backup into an empty vault beside the puts, and then as long
// without one, each in a hub that begins with the same files: Badger, too, makes writes
// wait when there have been many.
func (b *bench) latencyHub(ctx context.Context, unsynced bool, rate int64) (idle, busy []time.Duration, took time.Duration, err error) {
	cfg := b.config()
	cfg.Unsynced, cfg.CopyRate = unsynced, rate
	cfg.Vault, cfg.Data = filepath.Join(b.dir, "vault-paced"), filepath.Join(b.dir, "data-paced") // anew each time
	var backups []time.Duration
	for range *rounds {
		var lasted time.Duration
		d, err := b.beside(ctx, cfg, 0, func(h *app.Hub) error {
			return lasts(&lasted, func() error { _, err := h.Backup(ctx); return err })
		})
		if err != nil {
			return nil, nil, 0, err
		}
		busy, backups = append(busy, d...), append(backups, lasted)
		if d, err = b.beside(ctx, cfg, lasted, func(*app.Hub) error { return nil }); err != nil {
			return nil, nil, 0, err
		}
		idle = append(idle, d...)
	}
	return idle, busy, median(backups), nil
}

// lasts runs f and notes how long it took.
func lasts(d *time.Duration, f func() error) error {
	began := time.Now()
	err := f()
	*d = time.Since(began)
	return err
}

// beside is the puts beside f, and for so long at least, in a hub of its own.
func (b *bench) beside(ctx context.Context, cfg app.Config, atLeast time.Duration, f func(h *app.Hub) error) (took []time.Duration, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(cfg.Vault), os.RemoveAll(cfg.Data)) }()
	if err = os.CopyFS(cfg.Data, os.DirFS(b.dataDir())); err != nil {
		return nil, err
	}
	err = with(ctx, cfg, func(h *app.Hub, t *app.Table) error {
		settle() // a hub that comes to an empty vault backs up by itself; what it copied is taken away
		if err := loseSnapshots(cfg.Vault); err != nil {
			return err
		}
		put := func(key, value []byte) error { _, err := t.Put(ctx, key, value); return err }
		took, err = paced(ctx, atLeast, put, func() error { return f(h) })
		return err
	})
	return took, err
}

// loseSnapshots empties the vault of all that a table's backups have copied.
func loseSnapshots(vault string) error {
	var errs []error
	for _, pattern := range []string{"snapshots", "pool"} {
		found, err := filepath.Glob(filepath.Join(vault, "tables", tableName, pattern, "*"))
		errs = append(errs, err)
		for _, path := range found {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	syscall.Sync()
	return errors.Join(errs...)
}

func (b *bench) latencyPeer(ctx context.Context) (idle, busy []time.Duration, err error) {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	put := func(key, value []byte) error {
		return db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
	}
	for range *rounds {
		settle()
		var lasted time.Duration
		d, err := paced(ctx, 0, put, func() error {
			return lasts(&lasted, func() error { _, err := dumpPeer(db, filepath.Join(b.dir, "peer.paced"), 0); return err })
		})
		busy = append(busy, d...)
		if err != nil {
			return nil, nil, err
		}
		settle()
		d, err = paced(ctx, lasted, put, func() error { return nil })
		idle = append(idle, d...)
		if err != nil {
			return nil, nil, err
		}
	}
	return idle, busy, nil
}
