package vault

import (
	"errors"
	"slices"
	"strings"

	"github.com/brockdb/brock/storage"
)

// List returns the complete snapshots of the named tables (of all, where none is
// named), by table and then newest first: those whose manifest checks out and whose
// files are all there in their sizes. [Vault.Verify] reads the files too. What is
// damaged is told apart. A table without snapshots is no error. Of each table the
// listing also has when it can be restored to, which may be before its first snapshot.
func (v *Vault) List(tables ...string) (Listing, error) {
	l := Listing{Snapshots: []Snapshot{}, Ranges: []Restorable{}, Problems: []Problem{}}
	all := len(tables) == 0
	tables, err := v.choose(tables)
	if err != nil {
		return l, err
	}
	if all { // the change log may know more of them
		tables = slices.Compact(slices.Sorted(slices.Values(append(tables, v.changes.Tables()...))))
	}
	for _, table := range tables {
		snaps, problems, err := v.listTable(table)
		if err != nil {
			return l, err
		}
		l.Snapshots = append(l.Snapshots, snaps...)
		l.Ranges = append(l.Ranges, v.ranges(table, snaps)...)
		l.Problems = append(l.Problems, problems...)
	}
	return l, nil
}

// ranges is [Vault.Restorable] as lists show it.
func (v *Vault) ranges(table string, snaps []Snapshot) (out []Restorable) {
	for _, r := range v.restorable(table, snaps) {
		s := Restorable{Table: table, From: r.From, To: r.To, ToAt: At(r.To.Time())}
		if r.From > 0 {
			s.FromAt = At(r.From.Time())
		}
		out = append(out, s)
	}
	return out
}

// Tables returns the names of the tables that have a folder in the vault, sorted. The
// error says that the vault cannot be used.
func (v *Vault) Tables() ([]string, error) { return v.folders(tablesName) }

// choose checks the names of tables, or takes all that the vault has.
func (v *Vault) choose(tables []string) ([]string, error) {
	if len(tables) == 0 {
		return v.Tables()
	}
	tables = slices.Compact(slices.Sorted(slices.Values(tables)))
	for _, t := range tables {
		if err := storage.CheckTableName(t); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// listTable returns a table's complete snapshots, newest first. When retention took
// some away while it looked, newer ones may have come: it looks again, a few times.
func (v *Vault) listTable(table string) (snaps []Snapshot, problems []Problem, err error) {
	return v.listProven(table, func(error) error { return nil }) // for want of a proof nothing is hidden
}

// listProven is listTable; unread says what becomes of a proof that cannot be read for now.
func (v *Vault) listProven(table string, unread func(error) error) (snaps []Snapshot, problems []Problem, err error) {
	for range 10 {
		var vanished bool
		snaps, problems, vanished, err = v.listOnce(table, unread)
		if err != nil || !vanished {
			break
		}
	}
	slices.SortFunc(snaps, newestFirst)
	return snaps, problems, err
}

func (v *Vault) listOnce(table string, unread func(error) error) (snaps []Snapshot, problems []Problem, vanished bool, err error) {
	names, err := v.snapNames(table)
	if err != nil || len(names) == 0 {
		return nil, nil, false, err
	}
	proofs, err := v.readProofs(table)
	if err != nil {
		err = unread(err)
	}
	if err != nil {
		return nil, nil, false, err
	}
	seen := newLooks()
	for _, name := range names {
		s, err := v.lookAt(seen, table, name.String())
		switch {
		case err == nil:
			if p, ok := proofs[s.Name]; ok && p.ManifestSHA256 == s.ManifestSHA256 {
				s.ProvenAt = At(p.ProvenAt)
			}
			if s.Rotten = v.isRotten(s); s.Rotten {
				s.ProvenAt = nil
			}
			snaps = append(snaps, s)
		case v.gone(table, name.String()):
			vanished = true
		default:
			problems = append(problems, v.problem(table, name.String(), s.Path, err))
		}
	}
	return snaps, problems, vanished, nil
}

// gone says that a snapshot which was there a moment ago was removed meanwhile.
func (v *Vault) gone(table, name string) bool {
	_, err := v.fs.Stat(v.snapDir(table, name))
	return isMissing(err)
}

// snapNames returns the final names in a table's folder, newest first by name.
func (v *Vault) snapNames(table string) ([]stamp, error) {
	entries, err := v.fs.ReadDir(v.snapsDir(table))
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, cannotUse(v.dir, err)
	}
	var names []stamp
	for _, e := range entries {
		if s, ok := parseStamp(e.Name()); ok && e.IsDir() {
			names = append(names, s)
		}
	}
	slices.SortFunc(names, func(a, b stamp) int { return strings.Compare(b.String(), a.String()) })
	return names, nil
}

// Resolve returns the complete snapshot that ref means: a full name, a run's id, or
// [Latest]. It fails with a [NoSnapshotError], or with a [storage.DamageError]
// where the named snapshot is there but damaged, or all of them are.
func (v *Vault) Resolve(table, ref string) (Snapshot, error) {
	if err := storage.CheckTableName(table); err != nil {
		return Snapshot{}, err
	}
	snaps, problems, err := v.listTable(table)
	if err != nil {
		return Snapshot{}, err
	}
	for _, s := range snaps {
		if ref == Latest || ref == s.Name || ref == s.Run {
			return s, nil
		}
	}
	for _, p := range problems {
		if name, _ := parseStamp(p.Snapshot); ref == p.Snapshot || ref == name.run || ref == Latest { // there is no other
			return Snapshot{}, &storage.DamageError{Table: table, File: v.path(p.File), Offset: p.Offset, Problem: p.Problem}
		}
	}
	return Snapshot{}, v.noSnapshot(table, ref)
}

// noSnapshot says that ref means none of the table's snapshots, and what there is.
func (v *Vault) noSnapshot(table, ref string) error {
	e := &NoSnapshotError{Table: table, Ref: ref}
	snaps, _, err := v.listTable(table)
	for _, s := range snaps {
		e.Have = append(e.Have, s.Name)
	}
	return errors.Join(e, err)
}
