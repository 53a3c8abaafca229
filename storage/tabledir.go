package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

// TableDir is a table's folder: its stores and the marker that says which one is
// the table.
//
//	<table>/table.json          the marker
//	<table>/store/<id>/         a store; the marker names the current one
//	<table>/store/.tmp-<id>/    a store in the making
//
// A restore or compaction builds a new store beside the current one and then
// replaces the marker, atomically. So at every moment, also after a crash, the
// table is wholly the old store or wholly the new one.
type TableDir struct {
	fs    disk.FS
	table string
	dir   string
	mark  marker
}

// marker is the content of table.json.
type marker struct {
	Format   int        `json:"format"`
	Table    string     `json:"table"`
	Current  string     `json:"current"`           // id of the store that is the table
	Pending  string     `json:"pending,omitempty"` // id of a built store that may become it
	Replaced []Replaced `json:"replaced"`
	// Elsewhere is the version that a restore into this directory put here, until a hub
	// has opened it.
	Elsewhere *Version `json:"restored_here,omitempty"`
}

// Replaced is a store that was the table once and is kept.
type Replaced struct {
	Store string    `json:"store"`
	Why   string    `json:"why"`
	At    time.Time `json:"replaced_at"`
}

const (
	markerFormat = 1
	markerName   = "table.json"
	storesName   = "store"
)

// OpenTableDir reads the marker in dir and clears away what an unfinished restore
// or compaction left. It makes no new table: a missing marker gives an error that
// matches [ErrLost].
func OpenTableDir(fsys disk.FS, dir, table string) (*TableDir, error) {
	d := &TableDir{fs: fsys, table: table, dir: dir}
	b, err := disk.ReadFile(fsys, d.markerPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lost(table, d.markerPath())
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w: %w", table, ErrUnavailable, err)
	}
	if err := json.Unmarshal(b, &d.mark); err != nil || d.mark.Table != table || d.mark.Current != "" && !storeID(d.mark.Current) {
		return nil, &DamageError{Table: table, File: d.markerPath(), Problem: "the marker cannot be read; restore the table, or restore this file", Err: err}
	}
	if d.mark.Format > markerFormat {
		return nil, fmt.Errorf("table %s: %w: %s has format %d, this Brock reads up to %d; use a newer Brock", table, ErrUnavailable, d.markerPath(), d.mark.Format, markerFormat)
	}
	if err := d.recover(); err != nil {
		return nil, err
	}
	if d.mark.Current == "" { // killed while it was made
		return nil, lost(table, d.markerPath())
	}
	return d, nil
}

// CreateTableDir makes a table's folder with an empty store in it, and returns
// both, the store open. Whatever lies there already stays beside it.
func CreateTableDir(fsys disk.FS, dir, table string, opts Options) (*TableDir, *Store, error) {
	if err := CheckTableName(table); err != nil {
		return nil, nil, err
	}
	d := &TableDir{fs: fsys, table: table, dir: dir, mark: marker{Format: markerFormat, Table: table, Replaced: []Replaced{}}}
	if err := fsys.MkdirAll(d.stores()); err != nil {
		return nil, nil, fmt.Errorf("table %s: %w", table, err)
	}
	id := newStoreID(time.Now())
	// A kill from here on leaves a pending store, which the next start removes.
	if err := d.write(marker{Format: markerFormat, Table: table, Pending: id, Replaced: []Replaced{}}); err != nil {
		return nil, nil, err
	}
	s, err := Create(d.path(id), table, opts)
	if err != nil {
		return nil, nil, err
	}
	// The store's files and their names must be durable before the marker names it.
	err = syncTree(d.stores())
	if err == nil {
		err = d.write(marker{Format: markerFormat, Table: table, Current: id, Replaced: []Replaced{}})
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("table %s: %w", table, err), s.db.Close(), s.witness.close())
	}
	return d, s, nil
}

// AdoptTableDir is for a table whose marker or store is lost or damaged and that
// shall get a new store by [TableDir.Stage] and [TableDir.Swap].
func AdoptTableDir(fsys disk.FS, dir, table string) (*TableDir, error) {
	if d, err := OpenTableDir(fsys, dir, table); err == nil {
		return d, nil
	}
	d := &TableDir{fs: fsys, table: table, dir: dir, mark: marker{Format: markerFormat, Table: table, Replaced: []Replaced{}}}
	return d, fsys.MkdirAll(d.stores())
}

// recover removes a store that was pending when the process ended: the marker
// never named it current, so it never was the table.
func (d *TableDir) recover() error {
	for _, dir := range []string{d.dir, d.stores()} {
		if _, err := disk.Sweep(d.fs, dir); err != nil {
			return fmt.Errorf("table %s: %w: %w", d.table, ErrUnavailable, err)
		}
	}
	d.sweepStores()
	if d.mark.Current != "" && guard(d.path(d.mark.Current), d.table) != nil {
		return nil // nothing may go that might be all there is
	}
	if p := d.mark.Pending; p != "" && p != d.mark.Current && storeID(p) {
		if err := d.fs.RemoveAll(d.path(p)); err != nil {
			return fmt.Errorf("table %s: %w: %w", d.table, ErrUnavailable, err)
		}
	}
	return d.removeCompacted("")
}

// sweepStores removes what a kill left unfinished within the stores, a list of their files.
// A store that cannot be swept is opened, or kept, as it is: the next start tries again.
func (d *TableDir) sweepStores() {
	ids := []string{d.mark.Current}
	for _, r := range d.mark.Replaced {
		ids = append(ids, r.Store)
	}
	for _, id := range ids {
		if storeID(id) {
			_, _ = disk.Sweep(d.fs, d.path(id))
		}
	}
}

// forgetGone writes a marker that no longer names stores which were removed. That comes
// after their names are durably gone: what a power cut brings back must have somebody who
// removes it again.
func (d *TableDir) forgetGone(m marker) error {
	if err := d.fs.SyncDir(d.stores()); err != nil {
		return fmt.Errorf("table %s: %w: %w", d.table, ErrUnavailable, err)
	}
	return d.write(m)
}

// removeCompacted removes stores that a compaction replaced, those in the folder
// only or, where it is "", all: what they hold is in the current one.
func (d *TableDir) removeCompacted(only string) error {
	m, kept := d.mark, []Replaced{}
	for _, r := range m.Replaced {
		if r.Why != WhyCompaction || !storeID(r.Store) || only != "" && d.path(r.Store) != only {
			kept = append(kept, r)
		} else if err := d.fs.RemoveAll(d.path(r.Store)); err != nil {
			return fmt.Errorf("table %s: %w: %w", d.table, ErrUnavailable, err)
		}
	}
	if only == "" {
		m.Pending = "" // a start: what was pending is gone
	}
	if len(kept) == len(m.Replaced) && m.Pending == d.mark.Pending {
		return nil
	}
	m.Replaced = kept
	return d.forgetGone(m)
}

// Why a store was replaced.
const (
	WhyRestore    = "restore"
	WhyDamage     = "damage" // it was damaged, and the table healed
	WhyCompaction = "compaction"
)

// Open opens the current store.
func (d *TableDir) Open(opts Options) (*Store, error) {
	return Open(d.path(d.mark.Current), d.table, opts)
}

// Current returns the folder of the current store, "" when there is none.
func (d *TableDir) Current() string {
	if d.mark.Current == "" {
		return ""
	}
	return d.path(d.mark.Current)
}

// Scratch returns a path for a store in the making, inside the table's folder. It
// is swept when it is left over.
func (d *TableDir) Scratch() string {
	return filepath.Join(d.stores(), disk.TempPrefix+newStoreID(time.Now()))
}

// Stage gives a finished store, built at scratch and closed, its final name, and
// returns its new path. It is not the table before [TableDir.Swap].
func (d *TableDir) Stage(scratch string) (string, error) {
	if err := d.Unstage(); err != nil { // one that could not be removed then
		return "", err
	}
	m := d.mark
	m.Pending = strings.TrimPrefix(filepath.Base(scratch), disk.TempPrefix)
	if err := d.write(m); err != nil {
		return "", err
	}
	if err := d.fs.Rename(scratch, d.path(m.Pending)); err != nil {
		return "", fmt.Errorf("table %s: %w", d.table, err)
	}
	return d.path(m.Pending), d.fs.SyncDir(d.stores())
}

// Unstage removes the staged store, if there is one. It must be closed.
func (d *TableDir) Unstage() error {
	m := d.mark
	if m.Pending == "" {
		return nil
	}
	// The marker first, as it is known: a swap that failed may have left one on the disk
	// that names the store as current, and that one must not be missing.
	if err := d.write(m); err != nil {
		return err
	}
	dir := d.path(m.Pending)
	gone := filepath.Join(d.stores(), disk.TempPrefix+filepath.Base(dir))
	if err := d.fs.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m.Pending = ""
	if err := d.forgetGone(m); err != nil {
		return err
	}
	return d.fs.RemoveAll(gone) // what a kill leaves the next start sweeps
}

// Swap makes the staged store the table's, durably, and returns the folder of the
// store that it replaces ("" if there was none).
func (d *TableDir) Swap(why string) (replaced string, err error) {
	m := d.mark
	if m.Pending == "" {
		return "", fmt.Errorf("table %s: %w: nothing is staged", d.table, ErrInvalid)
	}
	replaced = d.Current()
	if m.Current != "" {
		m.Replaced = append(append([]Replaced{}, m.Replaced...), Replaced{Store: m.Current, Why: why, At: time.Now().UTC()})
	}
	m.Current, m.Pending = m.Pending, ""
	if err = d.write(m); err == nil {
		return replaced, nil
	}
	// The disk may have it all the same. Only when it has the old marker again is it sure
	// that nothing was swapped.
	if again := d.write(d.mark); again != nil {
		return "", fmt.Errorf("%w: %w", ErrUnknownOutcome, errors.Join(err, again))
	}
	return "", err
}

// SetElsewhere notes that the store is the table as it was at the version, put into
// this directory from outside: its history in the vault may go on beyond it.
func (d *TableDir) SetElsewhere(v Version) error {
	m := d.mark
	m.Elsewhere = &v
	return d.write(m)
}

// RestoredElsewhere returns what SetElsewhere noted.
func (d *TableDir) RestoredElsewhere() (v Version, ok bool) {
	if d.mark.Elsewhere == nil {
		return 0, false
	}
	return *d.mark.Elsewhere, true
}

// Home takes the note of SetElsewhere away.
func (d *TableDir) Home() error {
	m := d.mark
	m.Elsewhere = nil
	return d.write(m)
}

// Forget removes the store in dir, which a compaction replaced. It must be closed:
// Badger does not end when its folder goes.
func (d *TableDir) Forget(dir string) error { return d.removeCompacted(dir) }

// write makes a new marker durable.
func (d *TableDir) write(m marker) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = disk.WriteAtomic(d.fs, d.markerPath(), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("table %s: marker: %w", d.table, err)
	}
	d.mark = m
	return nil
}

func (d *TableDir) markerPath() string    { return filepath.Join(d.dir, markerName) }
func (d *TableDir) stores() string        { return filepath.Join(d.dir, storesName) }
func (d *TableDir) path(id string) string { return filepath.Join(d.stores(), id) }

// newStoreID returns a name for a store: its time, for people, made unique by the
// nanoseconds.
func newStoreID(t time.Time) string {
	return t.UTC().Format("2006-01-02T15-04-05.000000000Z")
}

// storeID says whether a name from the marker may be a store's folder.
func storeID(id string) bool {
	_, err := time.Parse("2006-01-02T15-04-05.000000000Z", id)
	return err == nil
}
