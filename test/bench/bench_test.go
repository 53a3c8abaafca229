// Package bench measures Brock beside its peer, raw Badger, in one run.
package bench

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/dgraph-io/badger/v4"
)

var value = make([]byte, 256)

func key(i int64) []byte { return fmt.Appendf(nil, "key-%012d", i) }

func hub(b *testing.B, change func(*app.Config)) *app.Hub {
	cfg := app.Config{Data: b.TempDir(), Tables: []string{"bench"}, Offline: true, MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	h, err := app.Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}

func table(b *testing.B, h *app.Hub, name string) *app.Table {
	t, err := h.Table(name)
	if err != nil {
		b.Fatal(err)
	}
	return t
}

func raw(b *testing.B, sync bool) *badger.DB {
	db, err := badger.Open(badger.DefaultOptions(b.TempDir()).WithLogger(nil).WithSyncWrites(sync))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// spread runs f b.N times from so many goroutines.
func spread(b *testing.B, workers int, f func(i int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkPutSynced is 256 B puts, each answered when it is durable.
func BenchmarkPutSynced(b *testing.B) { puts(b, true, 1, 64, 256) }

// BenchmarkPutUnsynced is 256 B puts that a power cut may take back.
func BenchmarkPutUnsynced(b *testing.B) { puts(b, false, 1, 64) }

func puts(b *testing.B, synced bool, writers ...int) {
	for _, w := range writers {
		b.Run(fmt.Sprintf("writers=%d/brock", w), func(b *testing.B) {
			t := table(b, hub(b, func(c *app.Config) { c.Unsynced = !synced }), "bench")
			spread(b, w, func(i int64) error {
				_, err := t.Put(context.Background(), key(i), value)
				return err
			})
		})
		b.Run(fmt.Sprintf("writers=%d/badger", w), func(b *testing.B) {
			db := raw(b, synced)
			spread(b, w, func(i int64) error {
				return db.Update(func(txn *badger.Txn) error { return txn.Set(key(i), value) })
			})
		})
	}
}

// BenchmarkGet reads random records that are there.
func BenchmarkGet(b *testing.B) {
	const records = 50_000
	for _, readers := range []int{1, 64} {
		b.Run(fmt.Sprintf("readers=%d/brock", readers), func(b *testing.B) {
			t := table(b, hub(b, nil), "bench")
			fillWith(b, records, func(batch app.Batch) error { _, err := t.Apply(context.Background(), batch); return err })
			spread(b, readers, func(i int64) error {
				_, err := t.Get(context.Background(), key(i*7919%records))
				return err
			})
		})
		b.Run(fmt.Sprintf("readers=%d/badger", readers), func(b *testing.B) {
			db := raw(b, false)
			fillWith(b, records, func(batch app.Batch) error {
				return db.Update(func(txn *badger.Txn) error {
					for _, op := range batch {
						if err := txn.Set(op.Key, op.Value); err != nil {
							return err
						}
					}
					return nil
				})
			})
			spread(b, readers, func(i int64) error {
				return db.View(func(txn *badger.Txn) error {
					item, err := txn.Get(key(i * 7919 % records))
					if err != nil {
						return err
					}
					_, err = item.ValueCopy(nil)
					return err
				})
			})
		})
	}
}

func fillWith(b *testing.B, records int, apply func(app.Batch) error) {
	for i := 0; i < records; i += 1000 {
		var batch app.Batch
		for j := range min(1000, records-i) {
			batch = append(batch, app.Op{Key: key(int64(i + j)), Value: value})
		}
		if err := apply(batch); err != nil {
			b.Fatal(err)
		}
	}
}
