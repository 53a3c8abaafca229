package bench

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/dgraph-io/badger/v4"
)

func names(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("table-%02d", i))
	}
	return out
}

// BenchmarkPause is how long a cut keeps a table from committing, 13 tables under
// load, against closing, copying and opening a store.
func BenchmarkPause(b *testing.B) {
	b.Run("brock", func(b *testing.B) {
		h := hub(b, func(c *app.Config) { c.Tables = names(13) })
		var stop atomic.Bool
		var wg sync.WaitGroup
		for _, name := range h.Tables() {
			t := table(b, h, name)
			wg.Go(func() {
				for i := int64(0); !stop.Load(); i++ {
					if _, err := t.Put(context.Background(), key(i%10_000), value); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		var pauses []float64
		for b.Loop() {
			run, err := h.Backup(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range run.Results {
				pauses = append(pauses, r.PauseMS)
			}
		}
		stop.Store(true)
		wg.Wait()
		slices.Sort(pauses)
		b.ReportMetric(pauses[len(pauses)/2], "p50-ms")
		b.ReportMetric(pauses[len(pauses)*99/100], "p99-ms")
	})
	b.Run("close-copy-open", func(b *testing.B) {
		dir := b.TempDir()
		opts := badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(true)
		db, err := badger.Open(opts)
		for i := int64(0); err == nil && i < 10_000; i++ {
			err = db.Update(func(txn *badger.Txn) error { return txn.Set(key(i), value) })
		}
		for n := 0; b.Loop() && err == nil; n++ {
			err = errors.Join(db.Close(), copyTree(dir, filepath.Join(b.TempDir(), fmt.Sprint(n))))
			if err == nil {
				db, err = badger.Open(opts)
			}
		}
		if err = errors.Join(err, db.Close()); err != nil {
			b.Fatal(err)
		}
	})
}

// copyTree copies a folder's files and syncs them.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(to, 0o700))
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, d.Name()))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Sync(), out.Close())
	})
}

// BenchmarkBackupNineTables backs up nine tables of 25,000 records of 252 B, synced, and
// proves the last of the backups: all of them anew each time, and what changed since the
// one before, which is a hundredth. test/peers/dets_backup.escript is its peer; it knows
// only the one way.
func BenchmarkBackupNineTables(b *testing.B) {
	for what, interval := range map[string]time.Duration{"whole": -1, "changes": 0} {
		b.Run(what, func(b *testing.B) { backupNine(b, interval) })
	}
}

func backupNine(b *testing.B, logInterval time.Duration) {
	const records, changed = 25_000, 250
	h := hub(b, func(c *app.Config) { c.Tables, c.LogInterval = app.DefaultTables(), logInterval })
	write := func(n int) {
		for _, name := range h.Tables() {
			t := table(b, h, name)
			fillWith(b, n, func(batch app.Batch) error { _, err := t.Apply(context.Background(), batch); return err })
		}
	}
	write(records)
	if _, err := h.Backup(context.Background()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		write(changed)
		b.StartTimer()
		if _, err := h.Backup(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now() // after the last one: what it leaves to be written would be in the way of the next
	if _, err := h.Drill(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "proof-ms")
}

// BenchmarkStart opens 13 tables that hold something, and closes them.
func BenchmarkStart(b *testing.B) {
	b.Run("brock", func(b *testing.B) {
		cfg := app.Config{Data: b.TempDir(), Tables: names(13), Offline: true, MinFree: -1}
		for b.Loop() {
			h, err := app.Open(context.Background(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			for _, name := range h.Tables() {
				if _, err := table(b, h, name).Put(context.Background(), key(0), value); err != nil {
					b.Fatal(err)
				}
			}
			if err := h.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	b.Run("badger", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			var dbs []*badger.DB
			for _, name := range names(13) {
				db, err := badger.Open(badger.DefaultOptions(filepath.Join(dir, name)).WithLogger(nil))
				if err != nil {
					b.Fatal(err)
				}
				dbs = append(dbs, db)
			}
			b.StopTimer()
			for _, db := range dbs {
				err := db.Update(func(txn *badger.Txn) error { return txn.Set(key(0), value) })
				if err = errors.Join(err, db.Close()); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	})
}

// BenchmarkImport loads the real file, where it is, in batches of 1,000 lines.
func BenchmarkImport(b *testing.B) {
	batches := realLines(b)
	b.Run("brock", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			h := hub(b, func(c *app.Config) { c.Tables = app.DefaultTables() })
			b.StartTimer()
			for _, lines := range batches {
				if _, err := remote.Import(context.Background(), h, lines); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("badger", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dbs := map[string]*badger.DB{}
			for _, name := range app.DefaultTables() {
				dbs[name] = raw(b, true)
			}
			b.StartTimer()
			for _, lines := range batches {
				if err := load(dbs, lines); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// load is what one would write for raw Badger: a write batch for each table.
func load(dbs map[string]*badger.DB, lines []byte) error {
	open := map[string]*badger.WriteBatch{}
	for l := range bytes.Lines(lines) {
		var rec struct {
			Table, Key string
			Value      json.RawMessage
		}
		if err := json.Unmarshal(l, &rec); err != nil {
			return err
		}
		w := open[rec.Table]
		if w == nil {
			w = dbs[rec.Table].NewWriteBatch()
			open[rec.Table] = w
		}
		if err := w.Set([]byte(rec.Key), rec.Value); err != nil {
			return err
		}
	}
	for _, w := range open {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func realLines(b *testing.B) (batches [][]byte) {
	f, err := os.Open("../../../shared/data/agenthub.jsonl.gz")
	if err != nil {
		b.Skip("needs the real input beside the checkout:", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 1<<24)
	var batch []byte
	for n := 1; sc.Scan(); n++ {
		batch = append(append(batch, sc.Bytes()...), '\n')
		if n%1000 == 0 {
			batches, batch = append(batches, batch), nil
		}
	}
	return append(batches, batch)
}
