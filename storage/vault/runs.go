package vault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brockdb/brock/storage"
)

const runFormat = 1

// runRecord is a run as the vault keeps it: a sealed document with the run's shape
// and the hashes of its manifests.
type runRecord struct {
	Format int    `json:"format"`
	Vault  string `json:"vault"`
	runShape
	Manifests []manifestRef `json:"manifests"`
	// What there was when the record was written, by which a loss is noticed.
	Previous   string          `json:"previous,omitempty"`    // the name of the newest record
	LogThrough storage.Version `json:"log_through,omitempty"` // where the change log ended
}

// manifestRef names a snapshot of the run, and its manifest by its hash.
type manifestRef struct {
	Table    string `json:"table"`
	Snapshot string `json:"snapshot"`
	SHA256   string `json:"manifest_sha256"`
}

// stamp is the name of the run's record: its cut, or its start where it took none.
func (r *runRecord) stamp() stamp {
	at := r.Cut.Time()
	if r.Cut == 0 && r.StartedAt != nil {
		at = *r.StartedAt
	}
	return stamp{at.UTC().Truncate(time.Millisecond), r.ID}
}

// problem says in words what is wrong with a record of the given name, "" when nothing is.
func (r *runRecord) problem(name stamp) string {
	if r.Cut > storage.MaxVersion || r.stamp().String() != name.String() {
		return "record is of another run than its name says"
	}
	if !slices.Contains([]Status{StatusComplete, StatusPartial, StatusFailed}, r.Status) { // a manifest has the rest
		return "record does not say how the run ended"
	}
	for _, m := range r.Manifests {
		s, ok := parseStamp(m.Snapshot)
		if storage.CheckTableName(m.Table) != nil || !ok || s.run != r.ID || !isHash(m.SHA256) {
			return "record's list of manifests makes no sense"
		}
	}
	return ""
}

// WriteRun records a run, a failed one too, durably on return. The snapshots of its
// ok results must be in the vault. Recording the same run again changes nothing;
// another one under the same id is refused with [ErrExists].
func (v *Vault) WriteRun(r Run) error {
	leave, err := v.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := checkRunID(r.ID); err != nil {
		return err
	}
	if r.Cut == 0 && r.StartedAt == nil {
		return fmt.Errorf("run %s: %w: it has neither a cut nor a start", r.ID, storage.ErrInvalid)
	}
	if r.Cut > 0 {
		r.CutAt = At(r.Cut.Time())
	}
	if r.StartedAt != nil {
		r.StartedAt = At(*r.StartedAt)
	}
	rec := runRecord{Format: runFormat, Vault: v.mark.Vault, runShape: r.shape()}
	if rec.Manifests, err = v.manifestsOf(r); err != nil {
		return err
	}
	if err := v.noteState(&rec); err != nil {
		return err
	}
	if p := rec.problem(rec.stamp()); p != "" {
		return fmt.Errorf("run %s: %w: %s", r.ID, storage.ErrInvalid, p)
	}
	if err := v.fs.MkdirAll(v.path(runsName)); err != nil {
		return cannotUse(v.dir, err)
	}
	if _, err := writeSealed(v.fs, v.path(runsName, rec.stamp().String()+".json"), rec); err != nil {
		if !errors.Is(err, ErrExists) {
			err = cannotUse(v.dir, err)
		}
		return fmt.Errorf("record run %s: %w", r.ID, err)
	}
	return nil
}

// noteState notes what there is besides the run, as it was when the run was recorded first.
func (v *Vault) noteState(rec *runRecord) error {
	name := rec.stamp()
	if old, err := v.readRun(name); err == nil {
		rec.Previous, rec.LogThrough = old.Previous, old.LogThrough
		return nil
	}
	names, err := v.runNames()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(names, func(s stamp) bool { return s.String() != name.String() }); i >= 0 {
		rec.Previous = names[i].String()
	}
	rec.LogThrough = v.changes.Through()
	return nil
}

func (v *Vault) manifestsOf(r Run) ([]manifestRef, error) {
	refs := []manifestRef{}
	for _, res := range r.Results {
		if res.Status != StatusOK {
			continue
		}
		if err := checkSnapshotNames(res.Table, res.Snapshot); err != nil {
			return nil, err
		}
		if res.ManifestSHA256 == "" {
			_, sum, err := v.readManifest(res.Table, res.Snapshot)
			if err != nil {
				return nil, fmt.Errorf("run %s: %w", r.ID, err)
			}
			res.ManifestSHA256 = sum
		}
		refs = append(refs, manifestRef{res.Table, res.Snapshot, res.ManifestSHA256})
	}
	return refs, nil
}

func checkSnapshotNames(table, snapshot string) error {
	if err := storage.CheckTableName(table); err != nil {
		return err
	}
	if _, ok := parseStamp(snapshot); !ok {
		return fmt.Errorf("table %s: %w snapshot name %.80q", table, storage.ErrInvalid, snapshot)
	}
	return nil
}

// Runs returns the newest recorded runs, newest first, at most limit where it is
// above 0. Records that are damaged are told as problems and hide no others.
func (v *Vault) Runs(limit int) (runs []Run, problems []Problem, err error) {
	runs, problems = []Run{}, []Problem{}
	err = v.eachRun(func(name stamp) bool {
		rec, err := v.readRun(name)
		switch {
		case err == nil:
			runs = append(runs, Run(rec.runShape))
		case !isMissing(err):
			problems = append(problems, v.problem("", "", v.runFile(name), err))
		}
		return limit <= 0 || len(runs) < limit
	})
	return runs, problems, err
}

// Run returns the recorded run of the id, or an error that matches [ErrNoRun], or
// [storage.ErrDamaged] where its record is.
func (v *Vault) Run(id string) (run Run, err error) {
	found := fmt.Errorf("run %.40q: %w in the vault: `brock list` shows the runs of all snapshots", id, ErrNoRun)
	err = v.eachRun(func(name stamp) bool {
		if name.run != id {
			return true
		}
		var rec runRecord
		rec, found = v.readRun(name)
		run = Run(rec.runShape)
		return false
	})
	return run, errors.Join(err, found)
}

// LastRun returns the newest run that has one of the statuses (any, where none is
// named) and whose record is sound; ok is false where there is none.
func (v *Vault) LastRun(statuses ...Status) (run Run, ok bool, err error) {
	err = v.eachRun(func(name stamp) bool {
		rec, err := v.readRun(name)
		if err == nil && (len(statuses) == 0 || slices.Contains(statuses, rec.Status)) {
			run, ok = Run(rec.runShape), true
		}
		return !ok
	})
	return run, ok, err
}

func (v *Vault) runFile(name stamp) string { return v.path(runsName, name.String()+".json") }

// readRun reads and checks one record.
func (v *Vault) readRun(name stamp) (rec runRecord, err error) {
	file := v.runFile(name)
	if _, err := readSealed(v.fs, file, runFormat, &rec); err != nil {
		return runRecord{}, err
	}
	if p := rec.problem(name); p != "" {
		return runRecord{}, &storage.DamageError{File: file, Problem: p}
	}
	return rec, nil
}

// eachRun goes over the names of records, newest first, until more is false.
func (v *Vault) eachRun(more func(stamp) bool) error {
	names, err := v.runNames()
	for _, name := range names {
		if !more(name) {
			break
		}
	}
	return err
}

// runNames returns the names of all records, newest first.
func (v *Vault) runNames() ([]stamp, error) {
	entries, err := v.fs.ReadDir(v.path(runsName))
	if err != nil && !isMissing(err) {
		return nil, cannotUse(v.dir, err)
	}
	var names []stamp
	for _, e := range entries {
		base, isJSON := strings.CutSuffix(e.Name(), ".json")
		if s, ok := parseStamp(base); ok && isJSON && !e.IsDir() {
			names = append(names, s)
		}
	}
	slices.SortFunc(names, func(a, b stamp) int { return strings.Compare(b.String(), a.String()) })
	return names, nil
}
