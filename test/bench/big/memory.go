package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// memory is the peak of processes that do nothing but open the table, back it up or
// restore it.
func (b *bench) memory(ctx context.Context) error {
	if err := b.ensureSnapshots(ctx); err != nil {
		return err
	}
	whole, err := b.whole()
	if err != nil {
		return err
	}
	for _, c := range []struct{ figure, what, arg string }{
		{"Badger compacting the table, no backup", "backup", "open"},
		{"full backup of the table at rest", "backup", ""},
		{"restore and proof", "restore", whole},
		{"restore and proof, with the change log", "restore", vault.Latest},
	} {
		m, err := b.peak(ctx, c.what, c.arg)
		if err != nil {
			return fmt.Errorf("%s: %w", c.figure, err)
		}
		row("memory of its own at the peak: "+c.figure, mega(m.anon), "with mapped files, which the system takes back "+mega(m.all), "", "256 MB")
	}
	return nil
}

func (b *bench) peak(ctx context.Context, what, arg string) (m memory, err error) {
	out, err := b.command(ctx, what, arg).Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &m.all, &m.anon)
	}
	return m, err
}

func (b *bench) backupChild(ctx context.Context, begin func()) error {
	cfg := b.config()
	cfg.Vault, cfg.LogInterval = filepath.Join(b.dir, "vault-once"), -1
	err := with(ctx, cfg, func(h *app.Hub, _ *app.Table) error {
		err := b.rest()
		if err != nil || os.Getenv(childArg) == "open" {
			return err
		}
		begin()
		_, err = h.Backup(ctx)
		return err
	})
	return errors.Join(err, os.RemoveAll(cfg.Vault))
}

// rest waits until Badger has done with compacting, which takes memory of its own.
func (b *bench) rest() error {
	dir, err := b.storeDir()
	if err != nil {
		return err
	}
	before := ""
	for same := 0; same < 6; same++ {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if now := fmt.Sprint(entries); now != before {
			before, same = now, 0
		}
		time.Sleep(500 * time.Millisecond)
	}
	return nil
}

func (b *bench) restoreChild(ctx context.Context, snapshot string) error {
	v, err := vault.OpenReadOnly(disk.OS, b.vaultDir())
	if err != nil {
		return err
	}
	s, err := v.Resolve(tableName, snapshot)
	if err != nil {
		return err
	}
	to := filepath.Join(b.dir, "restored")
	_, err = v.BuildStore(ctx, tableName, s.Name, to, nil)
	return errors.Join(err, v.Close(), os.RemoveAll(to))
}
