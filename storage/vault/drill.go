package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// DrillResult is the outcome of one snapshot's drill.
type DrillResult struct {
	Table      string
	Snapshot   string
	Run        string
	Cut        storage.Version
	Records    uint64
	Bytes      int64 // read from the vault
	DurationMS float64
	ProvenAt   *time.Time // nil: not proven
	Err        error      // why not
}

// Drill restores a snapshot into a folder that it makes in scratch and removes
// again, and compares the store with the table's ledger at the cut. When they
// agree it writes a proof, durable on return; [Snapshot.ProvenAt] shows it. The
// result's Err is the returned error: a [storage.DamageError] where the snapshot
// does not restore. What a killed drill leaves in scratch starts with
// [disk.TempPrefix].
func (v *Vault) Drill(ctx context.Context, table, snapshot, scratch string) (DrillResult, error) {
	res := DrillResult{Table: table, Snapshot: snapshot}
	leave, err := v.enter()
	if err == nil {
		defer leave()
		began := v.now()
		err = v.drill(ctx, &res, scratch, began)
		res.DurationMS = Millis(v.now().Sub(began))
	}
	if err != nil {
		res.Err = fmt.Errorf("drill of table %s: %w", table, err)
	}
	return res, res.Err
}

func (v *Vault) drill(ctx context.Context, res *DrillResult, scratch string, began time.Time) error {
	release, err := v.Hold(res.Table, res.Snapshot)
	if err != nil {
		return err
	}
	defer release()
	s, err := v.Resolve(res.Table, res.Snapshot)
	if err != nil {
		return err
	}
	res.Run, res.Cut, res.Records, res.Bytes = s.Run, s.Cut, s.Records, s.Bytes
	dir := filepath.Join(scratch, disk.TempPrefix+"drill-"+s.Table+"-"+NewRunID(began))
	m, err := v.BuildStore(ctx, s.Table, s.Name, dir, v.drillProgress(s.Table))
	v.removeScratch(s.Table, dir)
	if err != nil {
		return err
	}
	p := Proof{Format: proofFormat, Table: m.Table, Snapshot: m.Snapshot, Run: m.Run, ManifestSHA256: s.ManifestSHA256,
		Ledger: m.Ledger, ProvenAt: v.present(), DurationMS: Millis(v.now().Sub(began))}
	if err := v.writeProof(p); err != nil {
		return fmt.Errorf("the snapshot restores, but the proof cannot be written: %w", err)
	}
	v.noteSound(s.Table, s.Name)
	if m.Base != nil {
		v.noteSound(s.Table, m.Base.Snapshot) // it was a part of that
	}
	res.ProvenAt = At(p.ProvenAt)
	return nil
}

// removeScratch removes a store, which is on the real file system whatever the
// vault is on. A rest that stays is the next start's to sweep.
func (v *Vault) removeScratch(table, dir string) {
	if err := disk.OS.RemoveAll(dir); err != nil {
		v.log.Warn("the scratch folder of a drill cannot be removed", "table", table, "dir", dir, "err", err)
	}
}

// DrillTables drills the newest complete snapshot of each named table (of all that
// the vault has, where none is named). A table that has none, and every damaged
// snapshot met, is a problem of the report. The error is ctx's, or says that the
// vault cannot be used; the outcome of what was drilled before it is returned too.
func (v *Vault) DrillTables(ctx context.Context, scratch string, tables ...string) (Report, []DrillResult, error) {
	began := v.now()
	rep := Report{Problems: []Problem{}}
	results := []DrillResult{}
	tables, err := v.choose(tables)
	for _, table := range tables {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			break
		}
		var res *DrillResult
		if res, err = v.drillTable(ctx, &rep, scratch, table); res != nil {
			results = append(results, *res)
		}
	}
	v.finish(&rep, began)
	return rep, results, err
}

// drillTable drills a table's newest snapshot. The error ends all drilling.
func (v *Vault) drillTable(ctx context.Context, rep *Report, scratch, table string) (*DrillResult, error) {
	var res DrillResult
	for range 10 {
		snaps, problems, err := v.listTable(table)
		if err != nil {
			return nil, err
		}
		if len(snaps) == 0 {
			problems = append(problems, Problem{Table: table, Problem: "has no complete snapshot to drill: make a backup"})
			rep.Problems = append(rep.Problems, problems...)
			return nil, nil
		}
		res, err = v.Drill(ctx, table, snaps[0].Name, scratch)
		if errors.Is(err, ErrNoSnapshot) {
			continue // newer ones came, and retention was faster
		}
		rep.Problems = append(rep.Problems, problems...)
		break
	}
	rep.Checked++
	rep.Bytes += res.Bytes
	switch err := res.Err; {
	case err == nil:
	case errors.Is(err, ErrReadOnly), errors.Is(err, storage.ErrClosed), ctx.Err() != nil:
		return &res, err
	default:
		rep.Problems = append(rep.Problems, v.problem(table, res.Snapshot, v.snapDir(table, res.Snapshot), err))
	}
	return &res, nil
}

// finish completes a report.
func (v *Vault) finish(rep *Report, began time.Time) {
	rep.Status = StatusOK
	if len(rep.Problems) > 0 {
		rep.Status = StatusFailed
	}
	rep.DurationMS = Millis(v.now().Sub(began))
}
