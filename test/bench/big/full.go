package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/dustin/go-humanize"
)

// full takes whole snapshots of the live table, each into an empty vault, in turn
// with DB.Backup and with copies of closed directories.
func (b *bench) full(ctx context.Context) error {
	var backup, copied, copiedOwn []time.Duration
	for range *rounds {
		if err := b.fullOnce(ctx); err != nil {
			return err
		}
		d, err := b.backupPeer()
		if err != nil {
			return err
		}
		backup = append(backup, d)
		store, err := b.storeDir()
		if err != nil {
			return err
		}
		for from, times := range map[string]*[]time.Duration{b.peerDir(): &copied, store: &copiedOwn} {
			to := filepath.Join(b.dir, "copy")
			d, err := timed(func() error { return copyDir(from, to) })
			if err = errors.Join(err, os.RemoveAll(to)); err != nil {
				return err
			}
			*times = append(*times, d)
		}
	}
	compare("full snapshot, verified and synced", median(b.full1), "`DB.Backup` + fsync, torn", median(backup), "0.25×")
	compare("", median(b.full1), "copy of the closed Badger + fsync", median(copied), "1.5×")
	compare("", median(b.full1), "copy of Brock's own closed store + fsync", median(copiedOwn), "")
	return nil
}

// fullOnce makes the first snapshot of a vault. There is no change log in it: going
// from one vault to another would break it.
func (b *bench) fullOnce(ctx context.Context) error {
	cfg := b.config()
	cfg.Vault, cfg.LogInterval = filepath.Join(b.dir, "vault-once"), -1
	return with(ctx, cfg, func(h *app.Hub, _ *app.Table) error {
		settle()
		d, err := timed(func() error { _, err := h.Backup(ctx); return err })
		b.full1 = append(b.full1, d)
		return errors.Join(err, os.RemoveAll(cfg.Vault))
	})
}

func (b *bench) backupPeer() (d time.Duration, err error) {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return 0, err
	}
	b.dump = filepath.Join(b.dir, "peer.backup")
	d, err = timed(func() error { _, err := dumpPeer(db, b.dump, 0); return err })
	return d, errors.Join(err, db.Close())
}

// sizeOf is how many bytes the files below a folder take.
func sizeOf(dir string) (size int64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	return size, err
}

func mega(n int64) string { return humanize.Bytes(uint64(n)) }
