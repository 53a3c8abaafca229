package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
)

// Build is [Options.Build] with the usual options.
func Build(ctx context.Context, dir, table string, entries iter.Seq2[Entry, error], want Ledger) error {
	return Options{}.Build(ctx, dir, table, entries, want)
}

// Build makes a store in dir, which must not exist, from entries in ascending key
// order, each at its own version. It closes and syncs the store, opens it again,
// scans all of it, and returns nil only if the scan agrees with want, which becomes
// the store's ledger. What it could not finish it removes. Of the options MinFree and
// Free count: the disk keeps that much.
func (o Options) Build(ctx context.Context, dir, table string, entries iter.Seq2[Entry, error], want Ledger) (err error) {
	if err := disk.OS.MkdirAll(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	if err := os.Mkdir(dir, disk.DirMode); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	opts := o.building()
	if err := opts.spaceToBuild(dir, table, 0); err != nil {
		return err
	}
	if err := fill(ctx, dir, table, entries, want, opts); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	return prove(ctx, dir, table, want)
}

func fill(ctx context.Context, dir, table string, entries iter.Seq2[Entry, error], want Ledger, opts Options) error {
	opts.Unsynced, opts.making = true, true // all of it is synced at the end
	db, err := openBadger(dir, table, badgerOptions(dir, opts))
	if err != nil {
		return err
	}
	b := opts.builder(db, dir, table)
	b.begin()
	for e, err := range entries {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = b.add(e)
		}
		if err != nil {
			b.batch.Cancel()
			return errors.Join(err, db.Close())
		}
	}
	if want.Version > 0 {
		err = b.put(ledgerKey(want.Version), want.Append(nil), want.Version)
	}
	if err == nil {
		err = b.batch.Flush()
	} else {
		b.batch.Cancel()
	}
	return errors.Join(err, db.Close())
}

// builder writes entries in batches that are bounded by bytes: Badger counts a
// large value as a pointer only, so its own bound would let memory grow.
type builder struct {
	db      *badger.DB
	table   string
	batch   *badger.WriteBatch
	pending int
	txn     *badger.Txn // in place of the batch: all of it or nothing

	space func(bytes int64) error // refuses what may not fit; nil: nobody asks
	taken int64                   // bytes, so far
	asked int64                   // how many of them when it was asked last
}

// building are the options for stores in the making, of which only those that say how
// much of the disk is kept back come from outside.
func (o Options) building() Options {
	return Options{Logger: o.Logger, MinFree: o.MinFree, Free: o.Free}.withDefaults()
}

func (o Options) builder(db *badger.DB, dir, table string) *builder {
	return &builder{db: db, table: table, space: func(bytes int64) error {
		if err := enoughFiles(dir, table, spareFiles); err != nil {
			return err
		}
		return o.spaceToBuild(dir, table, bytes)
	}}
}

// fits counts the bytes in. What memtables still hold has no place on the disk yet.
func (b *builder) fits(bytes int) error {
	if b.taken += int64(bytes); b.space == nil || b.taken-b.asked < spaceStep {
		return nil
	}
	b.asked = b.taken
	return b.space(min(b.taken, manyMemories))
}

func (b *builder) begin() {
	b.batch, b.pending = b.db.NewManagedWriteBatch(), 0
	b.batch.SetMaxPendingTxns(2)
}

func (b *builder) add(e Entry) error {
	r, _, problem := e.Open()
	if problem != "" {
		return &DamageError{Table: b.table, Problem: fmt.Sprintf("key %.80q: %s", e.Key, problem)}
	}
	if !r.ExpiresAt.IsZero() {
		if err := b.put(expiryKey(r.ExpiresAt.UnixMilli(), e.Key), nil, e.Version); err != nil {
			return err
		}
	}
	return b.put(recordKey(e.Key), bytes.Clone(e.Envelope), e.Version) // the batch keeps it
}

func (b *builder) put(key, value []byte, v Version) error {
	size := len(key) + len(value)
	if b.txn == nil && b.pending > 0 && b.pending+size > MaxBatchLargeBytes {
		if err := b.batch.Flush(); err != nil {
			return err
		}
		b.begin()
	}
	b.pending += size
	if err := b.fits(size); err != nil {
		return err
	}
	if b.txn != nil {
		return b.txn.Set(key, value)
	}
	return b.batch.SetEntryAt(badger.NewEntry(key, value), uint64(v))
}

// prove opens the store as a table would and scans it.
func prove(ctx context.Context, dir, table string, want Ledger) error {
	s, err := Open(dir, table, Options{MinFree: -1, making: true})
	if err != nil {
		return err
	}
	err = s.Prove(ctx, want)
	return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
}

// Prove scans the whole store and compares what it reads with the account want.
// A difference is a [DamageError].
func (s *Store) Prove(ctx context.Context, want Ledger) error {
	l, err := s.Lease()
	if err != nil {
		return err
	}
	defer l.Release()
	if want.Version != l.Ledger.Version || !want.Agrees(l.Ledger) {
		return s.damage("it is not what it should be: " + want.Differs(l.Ledger))
	}
	for _, err := range l.Scan(Range{}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// syncTree makes all files below dir and their names durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return disk.OS.SyncDir(path) // fsync works alike on files and folders
	})
}

// Rework opens the store in dir, which nobody else uses, has change work on it,
// closes and syncs it, and proves the result against want by a full scan, the index of
// what expires included. Whatever fails, dir is gone afterwards. Of the options MinFree and Free count.
func (o Options) Rework(ctx context.Context, dir, table string, want Ledger, change func(*Store) error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	opts := o.building()
	opts.Unsynced, opts.making = true, true
	s, err := Open(dir, table, opts)
	if err != nil {
		return err
	}
	err = change(s)
	if err = errors.Join(err, s.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	return proveAll(ctx, dir, table, want)
}
