package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// restoreTimes is where the time of one restore went.
type restoreTimes struct{ copy, open, proof, all time.Duration }

// restore makes stores of a whole snapshot and of one with 1 % in the change log.
func (b *bench) restore(ctx context.Context) error {
	if err := b.ensureSnapshots(ctx); err != nil {
		return err
	}
	snapshot, err := b.whole()
	if err != nil {
		return err
	}
	var load, copied []time.Duration
	whole := make([]restoreTimes, *rounds)
	for i := range whole {
		var err error
		if whole[i], err = b.restoreOnce(ctx, snapshot); err != nil {
			return err
		}
		to := filepath.Join(b.dir, "loaded")
		d, err := timed(func() error { return loadPeer(b.dump, to) })
		if err = errors.Join(err, os.RemoveAll(to)); err != nil {
			return err
		}
		load = append(load, d)
		d, err = timed(func() error {
			err := copyDir(b.peerDir(), to)
			if err != nil {
				return err
			}
			db, err := openPeer(to)
			if err != nil {
				return err
			}
			return db.Close()
		})
		if err = errors.Join(err, os.RemoveAll(to)); err != nil {
			return err
		}
		copied = append(copied, d)
	}
	raise := pick(whole, func(r restoreTimes) time.Duration { return r.copy + r.open })
	compare("restore: copy + open", raise, "`DB.Load`", median(load), "0.17×")
	compare("", raise, "copy of the closed Badger + fsync + open", median(copied), "")
	row("— its proof, which scans all and compares with the ledger", show(pick(whole, func(r restoreTimes) time.Duration { return r.proof })), "", "", "")
	compare("restore with its proof", pick(whole, func(r restoreTimes) time.Duration { return r.all }), "`DB.Load`", median(load), "")
	chain, err := b.restoreOnce(ctx, vault.Latest)
	if err != nil {
		return err
	}
	compare("restore of the newest snapshot (with what the change log adds), proven", chain.all, "`DB.Load`", median(load), "")
	return nil
}

// ensureSnapshots sees to what other steps leave behind, when they did not run.
func (b *bench) ensureSnapshots(ctx context.Context) error {
	if b.dump == "" {
		if _, err := b.backupPeer(); err != nil {
			return err
		}
	}
	if b.backedUp {
		return nil
	}
	return with(ctx, b.config(), func(h *app.Hub, t *app.Table) error {
		if _, err := h.Backup(ctx); err != nil {
			return err
		}
		if _, err := b.changeHub(ctx, t, 1); err != nil {
			return err
		}
		_, err := h.Backup(ctx)
		b.backedUp = err == nil
		return err
	})
}

// whole is the snapshot that the newest one goes on from.
func (b *bench) whole() (string, error) {
	v, err := vault.OpenReadOnly(disk.OS, b.vaultDir())
	if err != nil {
		return "", err
	}
	s, err := v.Resolve(tableName, vault.Latest)
	return cmp.Or(s.Base, s.Name), errors.Join(err, v.Close())
}

func pick(all []restoreTimes, f func(restoreTimes) time.Duration) time.Duration {
	var d []time.Duration
	for _, r := range all {
		d = append(d, f(r))
	}
	return median(d)
}

// restoreOnce builds a store. The copy ends with the last word of its progress; how
// long an open takes is measured once more on the finished store.
func (b *bench) restoreOnce(ctx context.Context, snapshot string) (r restoreTimes, err error) {
	v, err := vault.OpenReadOnly(disk.OS, b.vaultDir())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	s, err := v.Resolve(tableName, snapshot)
	if err != nil {
		return r, err
	}
	to := filepath.Join(b.dir, "restored")
	began := time.Now()
	r.all, err = timed(func() error {
		began = time.Now()
		_, err := v.BuildStore(ctx, tableName, s.Name, to, func(int64, int64) { r.copy = time.Since(began) })
		return err
	})
	if err != nil {
		return r, err
	}
	began = time.Now()
	store, err := storage.Open(to, tableName, storage.Options{MinFree: -1})
	if err != nil {
		return r, err
	}
	r.open = time.Since(began)
	r.proof = r.all - r.copy
	return r, errors.Join(store.Close(ctx), os.RemoveAll(to))
}
