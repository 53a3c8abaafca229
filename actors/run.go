package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
	"golang.org/x/sync/errgroup"
)

// startedDetail is the detail of a backup_started event.
type startedDetail struct {
	Run         string    `json:"run"`
	Trigger     string    `json:"trigger"`
	StartedAt   time.Time `json:"started_at"`
	TablesTotal int       `json:"tables_total"`
	Tables      []string  `json:"tables"`
}

// perform is one run from its cut to its event. It runs on the run's goroutine.
func (b *backup) perform(ctx context.Context, tables []string, trigger string) (vault.Run, error) {
	began := b.cfg.Wall.Now()
	run := vault.Run{ID: vault.NewRunID(began), Hub: b.cfg.Hub, Trigger: trigger, StartedAt: vault.At(began),
		TablesTotal: len(tables), BackupDir: b.cfg.Vault.Dir()}
	detail := startedDetail{run.ID, trigger, run.StartedAt.UTC(), len(tables), tables}
	started := make(chan struct{})
	go func() { // the cut need not wait for the disk that keeps the event
		defer close(started)
		b.cfg.Publish(bus.BackupStarted, detail)
	}()
	err := b.capture(ctx, &run, tables)
	run.Tally()
	if err != nil {
		run.Status, run.Problem = vault.StatusFailed, err.Error()
	}
	run.DurationMS = vault.Millis(b.cfg.Wall.Since(began))
	jumped := b.jumped(&run)
	if werr := b.cfg.Vault.WriteRun(run); werr != nil {
		err = errors.Join(err, fmt.Errorf("the run could not be recorded: %w", werr))
		run.Status, run.Problem = vault.StatusFailed, err.Error()
	} else {
		b.afterRecord(ctx, &run, jumped)
	}
	<-started
	return run, b.announce(run, err)
}

// jumpFrom is how much later than the run before one must be for its time to be doubted;
// where the change log is kept for longer, it is that long.
const jumpFrom = 7 * 24 * time.Hour

// jumped says whether so much time has passed since the run before that all of the change
// log's window would be over. A hub that was off for long is no hurry; a clock that is
// wrong must not take the past along.
func (b *backup) jumped(run *vault.Run) bool {
	last, ok, err := b.cfg.Vault.LastRun()
	return err == nil && ok && last.Cut > 0 && run.Cut > 0 && run.Cut.Time().Sub(last.Cut.Time()) > max(jumpFrom, b.cfg.Window)
}

// afterRecord does what may only follow a durable run record: retention, and
// letting the stores drop what the snapshots hold.
func (b *backup) afterRecord(ctx context.Context, run *vault.Run, jumped bool) {
	if jumped {
		b.cfg.Logger.Warn("this run's time is far after that of the run before: if the clock is right the next run removes what is too old", "run", run.ID, "time", run.CutAt)
		return
	}
	for _, r := range run.Results {
		if r.Status != vault.StatusOK { // nothing of a table goes that has nothing new
			continue
		}
		removed, err := b.cfg.Vault.Retain(ctx, r.Table, b.cfg.Keep, b.cfg.Window)
		for _, name := range removed {
			b.cfg.Logger.Info("retention removed a snapshot", "run", run.ID, "table", r.Table, "snapshot", name)
		}
		if err != nil {
			b.cfg.Logger.Error("retention failed; older snapshots stay", "run", run.ID, "table", r.Table, "err", err)
		}
		if s := b.ref(r.Table).t.store.Load(); s != nil && b.cfg.Log == nil {
			s.Discard(run.Cut)
		}
	}
	if b.cfg.Log == nil {
		return
	}
	if names := b.quarantined(); len(names) > 0 {
		b.cfg.Logger.Warn("the change log is not trimmed: damaged tables may have to be made from all of it", "run", run.ID, "tables", names)
		return
	}
	if _, err := b.cfg.Vault.TrimLog(ctx, b.cfg.Keep, b.cfg.Window); err != nil {
		b.cfg.Logger.Error("the change log could not be trimmed; the next run does it", "run", run.ID, "err", err)
	}
}

// quarantined returns the tables that are to be healed.
func (b *backup) quarantined() (names []string) {
	for _, t := range b.tables {
		if _, is := t.Quarantine(); is {
			names = append(names, t.Name())
		}
	}
	return names
}

// announce publishes the outcome and gives it its error.
func (b *backup) announce(run vault.Run, err error) error {
	if run.Status == vault.StatusComplete {
		b.cfg.Publish(bus.BackupComplete, run)
		return nil
	}
	failure := &RunError{Run: run, Err: err}
	if run.Status == vault.StatusFailed {
		b.cfg.Publish(bus.BackupFailed, failedDetail(run, failure))
	} else {
		b.cfg.Publish(bus.BackupComplete, run)
	}
	return failure
}

// failedDetail is the run's shape with the error beside it.
func failedDetail(run vault.Run, err error) any {
	b, e1 := json.Marshal(run)
	msg, e2 := json.Marshal(err.Error())
	if e1 != nil || e2 != nil {
		return run
	}
	return json.RawMessage(append(append(append(b[:len(b)-1], `,"error":`...), msg...), '}'))
}

// capture publishes the cut, has it pinned and copied, and fills in the results.
func (b *backup) capture(ctx context.Context, run *vault.Run, tables []string) error {
	wanted := map[string]bool{}
	for _, name := range tables {
		wanted[name] = true
	}
	b.shipFirst(ctx, run.ID)
	cut, err := b.cfg.Clock.Publish()
	if err != nil {
		for _, name := range tables {
			run.Results = append(run.Results, failed(name, 0, err))
		}
		return err
	}
	run.Cut, run.CutAt = cut, vault.At(cut.Time())
	flushes := map[string]*flushMsg{}
	for _, t := range b.tables {
		if wanted[t.Name()] {
			flushes[t.Name()] = t.flush(cut, run.ID)
		} else {
			t.excuse(cut)
		}
	}
	run.Results = b.copyAll(ctx, run, flushes)
	return nil
}

// pacer is a [vault.WriteOptions].Pace.
type pacer = func(ctx context.Context, bytes int) error

const (
	// shyRate is how many bytes a second a run copies that has no rate of its own, while
	// somebody writes: a disk that is kept busy makes commits wait for tens of
	// milliseconds, and at this rate for hardly longer than without a backup
	// (docs/PERFORMANCE.md).
	shyRate = 100 << 20
	// shyFor is how long after a commit somebody counts as writing.
	shyFor = 50 * time.Millisecond
)

// pace is that of a run.
func (b *backup) pace() pacer {
	if b.cfg.Rate > 0 {
		return vault.Pace(vault.NewLimiter(b.cfg.Rate))
	}
	shy := vault.Pace(vault.NewLimiter(shyRate))
	return func(ctx context.Context, bytes int) error {
		if b.cfg.Wall.Since(b.cfg.Clock.Last().Time()) > shyFor {
			return ctx.Err()
		}
		return shy(ctx, bytes)
	}
}

// copyAll waits for each table's pin and copies it, a few tables at a time. All
// pins are awaited at once: a slow table must not make the others hold theirs.
func (b *backup) copyAll(ctx context.Context, run *vault.Run, flushes map[string]*flushMsg) []vault.Result {
	pace := b.pace()
	results := make([]vault.Result, len(flushes))
	slots := make(chan struct{}, b.cfg.Workers)
	var g errgroup.Group
	i := 0
	for _, t := range b.tables {
		m, ok := flushes[t.Name()]
		if !ok {
			continue
		}
		result := &results[i]
		i++
		g.Go(func() error {
			*result = b.table(ctx, run, t, m, slots, pace)
			return nil
		})
	}
	_ = g.Wait()
	return results
}

func failed(table string, pause time.Duration, err error) vault.Result {
	return vault.Result{Table: table, Status: vault.StatusError, PauseMS: vault.Millis(pause), Error: err.Error(), Cause: storage.Named(err)}
}

// table pins and copies one table.
func (b *backup) table(ctx context.Context, run *vault.Run, t *TableRef, m *flushMsg, slots chan struct{}, pace pacer) vault.Result {
	pinCtx, cancel := context.WithTimeout(ctx, b.cfg.Flush)
	p, err := t.await(pinCtx, m)
	cancel()
	if err != nil {
		return failed(t.Name(), 0, err)
	}
	defer p.lease.Release()
	slots <- struct{}{}
	defer func() { <-slots }()
	// A snapshot must not hold what a power cut takes from the table.
	if err := p.store.Sync(); err != nil {
		return failed(t.Name(), p.pause, err)
	}
	began := b.cfg.Wall.Now()
	copyCtx, cancel := context.WithTimeout(ctx, b.cfg.Copy)
	defer cancel()
	b.logThrough(copyCtx, t, run)
	spec := vault.SnapshotSpec{Table: t.Name(), Run: run.ID, Cut: run.Cut, Ledger: p.lease.Ledger}
	snap, err := b.cfg.Vault.WriteSnapshot(copyCtx, spec, vault.Source{Entries: p.lease.Entries(), Image: p.image}, vault.WriteOptions{
		Pace: pace, Progress: b.progress(run.ID, t.Name())})
	if err != nil {
		if isDamageOf(p.store, err) {
			t.t.damaged(p.store, err)
		}
		return failed(t.Name(), p.pause, err)
	}
	return snap.Result(b.cfg.Wall.Since(began), p.pause)
}

// shipFirst ships what waits, so that the segment in which the cut falls is a small
// one: every later snapshot that goes on from this one's reads it.
func (b *backup) shipFirst(ctx context.Context, run string) {
	if b.cfg.Log == nil {
		return
	}
	if _, err := b.cfg.Log.Ship(ctx); err != nil {
		b.cfg.Logger.Warn("the change log could not be written before the cut", "run", run, "err", err)
	}
}

// logThrough brings the change log up to the cut: a snapshot may be an earlier one
// with the log from there. Where it cannot, the snapshot is a whole one.
func (b *backup) logThrough(ctx context.Context, t *TableRef, run *vault.Run) {
	if b.cfg.Log == nil || t.t.tap.Through() >= run.Cut {
		return
	}
	if _, err := b.cfg.Log.Ship(ctx); err != nil {
		b.cfg.Logger.Warn("the change log could not be brought up to the cut", "run", run.ID, "table", t.Name(), "err", err)
	}
}

// progress passes on at most one message in a while: NATS is for people here.
func (b *backup) progress(run, table string) func(done, total int64) {
	var mu sync.Mutex
	var last time.Time
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now := b.cfg.Wall.Now()
		if done < total && now.Sub(last) < 100*time.Millisecond {
			return
		}
		last = now
		b.cfg.Progress(bus.Progress{Run: run, Table: table, Stage: "copy", Done: done, Total: total})
	}
}

func (b *backup) ref(name string) *TableRef {
	for _, t := range b.tables {
		if t.Name() == name {
			return t
		}
	}
	return nil
}
