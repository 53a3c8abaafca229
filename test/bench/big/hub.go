package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/bench/records"
)

const tableName = "tasks"

func (b *bench) dataDir() string  { return filepath.Join(b.dir, "data") }
func (b *bench) vaultDir() string { return filepath.Join(b.dir, "vault") }

// storeDir is where the hub's table lies now.
func (b *bench) storeDir() (string, error) {
	all, err := filepath.Glob(filepath.Join(b.dataDir(), "tables", tableName, "store", "*", "MANIFEST"))
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("no store below %s: %w", b.dataDir(), errors.Join(err))
	}
	return filepath.Dir(all[len(all)-1]), nil
}

func (b *bench) config() app.Config {
	return app.Config{Data: b.dataDir(), Vault: b.vaultDir(), Tables: []string{tableName}, Offline: true, MinFree: -1,
		Logger: slog.New(slog.DiscardHandler)}
}

// with has f work with a hub.
func with(ctx context.Context, cfg app.Config, f func(*app.Hub, *app.Table) error) error {
	h, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	t, err := h.Table(cfg.Tables[0])
	if err == nil {
		err = f(h, t)
	}
	return errors.Join(err, h.Close(context.WithoutCancel(ctx)))
}

func (b *bench) fillHub(ctx context.Context) error {
	return with(ctx, b.config(), func(_ *app.Hub, t *app.Table) error {
		for i := 0; i < b.n; i += 1000 {
			var batch app.Batch
			for j := i; j < min(i+1000, b.n); j++ {
				batch = append(batch, app.Op{Key: records.Key(j), Value: records.Value(j, 0)})
			}
			if _, err := t.Apply(ctx, batch); err != nil {
				return err
			}
		}
		settle()
		return nil
	})
}

// changeHub changes 1 % of the records and returns the bytes of their keys and values.
func (b *bench) changeHub(ctx context.Context, t *app.Table, round int) (size int64, err error) {
	changes := records.Changes(b.n, 0.01, round)
	for len(changes) > 0 {
		n := min(1000, len(changes))
		var batch app.Batch
		for _, i := range changes[:n] {
			op := app.Op{Key: records.Key(i), Value: records.Value(i, round)}
			batch, size = append(batch, op), size+int64(len(op.Key)+len(op.Value))
		}
		if _, err := t.Apply(ctx, batch); err != nil {
			return size, err
		}
		changes = changes[n:]
	}
	return size, nil
}
