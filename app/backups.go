package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/vault"
)

// The shapes of results, the same on every road.
type (
	Run      = vault.Run
	Result   = vault.Result
	Snapshot = vault.Snapshot
	Listing  = vault.Listing
	// Restorable is a stretch of time at every moment of which a table can be restored.
	Restorable = vault.Restorable
	Report     = vault.Report
	Problem    = vault.Problem
)

// Status is how a piece of work ended, in one word: of a [Run], [Result], [Report],
// [DrillReport], [Restored], [RestoredTable], [Compaction] or [CompactedTable].
type Status = vault.Status

// Statuses of runs, reports and results.
const (
	StatusComplete = vault.StatusComplete
	StatusPartial  = vault.StatusPartial
	StatusFailed   = vault.StatusFailed
	StatusOK       = vault.StatusOK
	StatusError    = vault.StatusError
)

// Backup backs up the named tables, all where none is named, at one cut. What was
// acknowledged before the call is in it. A run that did not succeed in every table
// is returned with a [*RunError]. When ctx ends first, the run goes on.
func (h *Hub) Backup(ctx context.Context, tables ...string) (Run, error) {
	return h.group.Backup().Backup(ctx, actors.TriggerAPI, tables...)
}

// NextBackup returns when the next scheduled backup is due, by the hub's clock; ok is
// false where there is no schedule.
func (h *Hub) NextBackup() (at time.Time, ok bool) {
	at = h.group.Backup().NextScheduled()
	return at, !at.IsZero()
}

// List returns the complete snapshots of the named tables, of all where none is
// named: by table, then newest first; and the stretches of time at every moment of
// which they can be restored.
func (h *Hub) List(ctx context.Context, tables ...string) (Listing, error) {
	if err := errors.Join(ctx.Err(), h.checkVaultTables(tables)); err != nil {
		return Listing{}, err
	}
	return h.vault.List(tables...)
}

// Run returns the record of a run, or [ErrNoRun].
func (h *Hub) Run(ctx context.Context, id string) (Run, error) {
	if err := ctx.Err(); err != nil {
		return Run{}, err
	}
	return h.vault.Run(id)
}

// checkVaultTables refuses names that neither the hub nor its vault knows.
func (h *Hub) checkVaultTables(tables []string) error {
	for _, name := range tables {
		_, unknown := h.group.Table(name)
		if unknown == nil {
			continue
		}
		known, err := h.vault.Tables()
		if err != nil || !slices.Contains(known, name) {
			return errors.Join(unknown, err)
		}
	}
	return nil
}

// Verify reads every byte of the named tables' snapshots and compares it with the
// manifests and run records. It only reads. A report with problems comes with a
// [*FailedError].
func (h *Hub) Verify(ctx context.Context, tables ...string) (Report, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return Report{}, err
	}
	defer done()
	if err := h.checkVaultTables(tables); err != nil {
		return Report{}, err
	}
	r, err := h.vault.Verify(ctx, tables...)
	if err == nil {
		h.publish(bus.VerifyComplete, r)
		err = problems("verify", r.Status, r.Problems)
	}
	return r, err
}

// problems is the error of a report that has any.
func problems(what string, status Status, found []Problem) error {
	if status == StatusOK {
		return nil
	}
	e := &FailedError{What: what, Status: status}
	for _, p := range found {
		e.add(strings.TrimSpace(p.Table+" "+p.Snapshot+" "+p.File+": "+p.Problem), p.Cause)
	}
	return e
}

// Proof says that a snapshot was restored and agreed with its ledger.
type Proof struct {
	Table      string     `json:"table"`
	Snapshot   string     `json:"snapshot"`
	Run        string     `json:"run"`
	Records    uint64     `json:"records"`
	ProvenAt   *time.Time `json:"proven_at"`
	DurationMS float64    `json:"duration_ms"`
}

// DrillReport is a drill's report and what it proved.
type DrillReport struct {
	Status     Status    `json:"status"`
	Checked    int       `json:"checked"`
	Bytes      int64     `json:"bytes"`
	DurationMS float64   `json:"duration_ms"`
	Problems   []Problem `json:"problems"`
	Proven     []Proof   `json:"proven"`
	Moments    []Moment  `json:"moments"`
}

// Moment says that a table was restored as it was at some moment between snapshots,
// and agreed with its ledger then.
type Moment struct {
	Table      string     `json:"table"`
	Version    Version    `json:"version"`
	At         *time.Time `json:"at"`
	Records    uint64     `json:"records"`
	DurationMS float64    `json:"duration_ms"`
}

// Drill restores the newest snapshot of each named table, of all where none is
// named, into a scratch place, scans it, and compares it with the ledger at the
// cut, and besides one table as it was at a moment chosen at random. What passes is
// proven from then on; what does not comes with a [*FailedError].
func (h *Hub) Drill(ctx context.Context, tables ...string) (DrillReport, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return DrillReport{}, err
	}
	defer done()
	if err := h.checkVaultTables(tables); err != nil {
		return DrillReport{}, err
	}
	r, results, err := h.vault.DrillTables(ctx, h.path(scratchDir), tables...)
	out := DrillReport{Status: r.Status, Checked: r.Checked, Bytes: r.Bytes, DurationMS: r.DurationMS, Problems: r.Problems, Proven: []Proof{}, Moments: []Moment{}}
	if out.Problems == nil {
		out.Problems = []Problem{}
	}
	for _, p := range results {
		if p.ProvenAt != nil {
			out.Proven = append(out.Proven, Proof{p.Table, p.Snapshot, p.Run, p.Records, p.ProvenAt, p.DurationMS})
		}
	}
	if err == nil && len(results) > 0 {
		err = h.drillMoment(ctx, results[rand.IntN(len(results))].Table, &out)
	}
	if err != nil {
		return out, fmt.Errorf("drill: %w", err)
	}
	if out.Status == StatusOK {
		h.publish(bus.DrillComplete, out)
	} else {
		h.publish(bus.DrillFailed, out)
	}
	return out, problems("drill", out.Status, out.Problems)
}
