package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Assemble makes a store of table files, and of the value-log files that they point
// into, that lie in dir already under the names [TableName] and [ValueLogName]; of
// a table only ID and Level are read. Table ids may be new ones, but must be in the
// order of the image. Check every file before: a damaged one can end the process.
// Next comes [Complete].
func Assemble(dir, table string, tables []TableFile) error {
	listed := map[string]bool{}
	for _, t := range tables {
		name := TableName(t.ID)
		if listed[name] || t.ID == 0 || t.Level < 0 || t.Level >= maxLevels {
			return fmt.Errorf("table %s: %w: table file %s at level %d", table, ErrInvalid, name, t.Level)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			return &DamageError{Table: table, File: filepath.Join(dir, name), Problem: "the file is missing or empty", Err: err}
		}
		listed[name] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	for _, e := range entries {
		name := e.Name()
		if !listed[name] && !strings.HasSuffix(name, ".vlog") { // Badger deletes tables that the MANIFEST does not name
			return fmt.Errorf("table %s: %w: %s does not belong into a store that is assembled", table, ErrInvalid, filepath.Join(dir, name))
		}
	}
	if err := writeTableList(dir, tables); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	return nil
}

// Complete is [Options.Complete] with the usual options.
func Complete(ctx context.Context, dir, table string, tail iter.Seq2[RawEntry, error], want Ledger) error {
	return Options{}.Complete(ctx, dir, table, tail, want)
}

// Complete adds the tail of an image to the store that [Assemble] made in dir. It
// closes and syncs the store, opens it as a table would, reads all of it, and
// returns nil only if it is what the ledger want says, index of what expires
// included. After an error the caller removes dir. Of the options MinFree and Free count.
func (o Options) Complete(ctx context.Context, dir, table string, tail iter.Seq2[RawEntry, error], want Ledger) error {
	if err := o.Join(ctx, dir, table, tail, want); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	return proveAll(ctx, dir, table, want)
}

// Join is [Options.Complete] without its syncs and its proof, for a store that
// [Options.Rework] takes further: that proves all of it at the end.
func (o Options) Join(ctx context.Context, dir, table string, tail iter.Seq2[RawEntry, error], want Ledger) error {
	opts := o.building()
	if err := opts.spaceToBuild(dir, table, 0); err != nil {
		return err
	}
	return addTail(ctx, dir, table, tail, want.Version, opts)
}

// addTail writes the entries at their versions. They enter in the order of keys;
// that the store is closed afterwards makes tables of all of them.
func addTail(ctx context.Context, dir, table string, tail iter.Seq2[RawEntry, error], last Version, opts Options) error {
	opts.Unsynced, opts.making = true, true // all of it is synced at the end
	// Whoever copied the tables has checked them, and the proof opens them with checks.
	db, err := openBadger(dir, table, badgerOptions(dir, opts).WithChecksumVerificationMode(options.NoVerification))
	if err != nil {
		return err
	}
	b := opts.builder(db, dir, table)
	b.begin()
	for e, err := range tail {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = b.raw(e, last)
		}
		if err != nil {
			b.batch.Cancel()
			return errors.Join(err, db.Close())
		}
	}
	return errors.Join(b.batch.Flush(), db.Close())
}

// raw adds an entry of a tail as it is.
func (b *builder) raw(e RawEntry, last Version) error {
	problem := e.Problem()
	if problem == "" && (e.Version == 0 || e.Version > last) {
		problem = fmt.Sprintf("version %d lies after the last commit %d", e.Version, last)
	}
	if problem != "" {
		return &DamageError{Table: b.table, Problem: fmt.Sprintf("key %.80q: %s", e.Key, problem)}
	}
	key := append([]byte(nil), e.Key...) // the batch keeps both
	if e.Deleted {
		return b.remove(key, e.Version)
	}
	return b.put(key, append([]byte(nil), e.Value...), e.Version)
}

// writeTableList writes Badger's MANIFEST over the tables.
func writeTableList(dir string, tables []TableFile) error {
	data, err := tableList(tables)
	if err != nil {
		return err
	}
	if err := disk.WriteSynced(disk.OS, filepath.Join(dir, badger.ManifestFilename), data); err != nil {
		return err
	}
	return disk.OS.SyncDir(dir)
}
