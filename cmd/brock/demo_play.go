package main

import (
	"context"
	"fmt"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
)

// demo is one performance.
type demo struct {
	c       *cli
	began   time.Time
	data    string
	hub     *app.Hub
	client  *bus.Client
	events  *bus.Subscription[bus.Event]
	writers writers
	report  demoReport
}

// demoReport is what demo --json prints.
type demoReport struct {
	Status     app.Status `json:"status"`
	Records    int        `json:"records"`  // written first
	Writes     int        `json:"writes"`   // acknowledged while all else went on
	Proven     int        `json:"proven"`   // snapshots
	Restored   uint64     `json:"restored"` // records of the damaged table
	RestoreMS  float64    `json:"restore_ms"`
	DurationMS float64    `json:"duration_ms"`
}

const (
	demoTable    = "task_queue" // the one that is damaged
	eventTimeout = 20 * time.Second
)

// play is the demo, act by act; an error says what did not hold.
func (d *demo) play(ctx context.Context) error {
	if err := d.fill(ctx); err != nil {
		return fmt.Errorf("demo: fill: %w", err)
	}
	if err := d.writers.start(ctx, d.hub); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.step("write", "%s go on writing into %d other tables until the end", counted(len(writerTables), "writer"), len(writerTables))
	for range 2 {
		if err := d.backup(ctx); err != nil {
			return fmt.Errorf("demo: backup: %w", err)
		}
	}
	if err := d.drill(ctx); err != nil {
		return fmt.Errorf("demo: drill: %w", err)
	}
	if err := d.damageAndRestore(ctx); err != nil {
		return fmt.Errorf("demo: restore: %w", err)
	}
	return d.checkWriters(ctx)
}

func (d *demo) fill(ctx context.Context) error {
	began := time.Now()
	for _, batch := range demoBatches() {
		n, err := remote.Import(ctx, d.hub, batch)
		if err != nil {
			return err
		}
		d.report.Records += n
	}
	d.step("fill", "%s in %s", counted(d.report.Records, "record"), since(began))
	return nil
}

func (d *demo) backup(ctx context.Context) error {
	before := d.writers.count()
	run, err := d.hub.Backup(ctx)
	if err != nil {
		return err
	}
	d.step("back up", "%s", runLine(run))
	d.step("", "%s acknowledged meanwhile", counted(d.writers.count()-before, "write"))
	return d.expect(ctx, bus.BackupComplete)
}

func (d *demo) drill(ctx context.Context) error {
	r, err := d.hub.Drill(ctx)
	if err != nil {
		return err
	}
	d.report.Proven = len(r.Proven)
	if want := len(d.hub.Tables()); r.Status != app.StatusOK || len(r.Proven) != want {
		return fmt.Errorf("%d of %d snapshots proven: %v", len(r.Proven), want, r.Problems)
	}
	d.step("drill", "proven: %s, each restored in a scratch place and equal to its", counted(len(r.Proven), "snapshot"))
	d.step("", "table's own account of itself at the cut, in %s", took(r.DurationMS))
	return d.expect(ctx, bus.DrillComplete)
}

// later writes records that no backup has, and returns the moment after.
func (d *demo) later(ctx context.Context, t *app.Table) (v app.Version, err error) {
	const n = 25
	for i := range n {
		if v, err = t.Put(ctx, fmt.Appendf(nil, "task-after-the-backup-%02d", i), []byte(`{"status":"queued"}`)); err != nil {
			return 0, err
		}
	}
	d.report.Records += n
	d.step("later", "%d more tasks come in, which no backup has", n)
	return v, nil
}

// damageAndRestore loses half a table and gets it back, byte for byte.
func (d *demo) damageAndRestore(ctx context.Context) error {
	t, err := d.hub.Table(demoTable)
	if err != nil {
		return err
	}
	moment, err := d.later(ctx, t)
	if err != nil {
		return err
	}
	want, records, err := digest(ctx, t)
	if err != nil {
		return err
	}
	left, err := deleteHalf(ctx, t)
	if err != nil {
		return err
	}
	d.step("damage", "delete 50 %% of %s, as a bad deploy would: %s → %s records", demoTable, number(records), number(left))
	began := time.Now()
	out, err := d.hub.Restore(ctx, app.RestoreRequest{Tables: []string{demoTable}, At: fmt.Sprint(moment)})
	if err != nil {
		return err
	}
	d.report.RestoreMS = float64(time.Since(began).Microseconds()) / 1000
	if out.Status != app.StatusRestored {
		return fmt.Errorf("%s", out.Results[0].Error)
	}
	d.report.Restored = out.Results[0].Records
	d.step("restore", "restored %s to %s, the moment before, in %s", demoTable, stamp(out.Results[0].At), took(d.report.RestoreMS))
	d.step("", "from the newest snapshot and the change log, which has every commit")
	if err := d.expect(ctx, bus.RecoveryComplete); err != nil {
		return err
	}
	got, n, err := digest(ctx, t)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s has %d records with digest %s, but had %d with %s", demoTable, n, got, records, want)
	}
	d.step("compare", "%s is what it was before the damage: %s, sha256 %.16s…", demoTable, counted(n, "record"), got)
	return nil
}

func (d *demo) checkWriters(ctx context.Context) error {
	d.writers.stop()
	n, err := d.writers.check(ctx, d.hub)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.report.Writes = n
	d.step("", "the other tables never noticed: %[1]s of %[1]s acknowledged writes are there", number(n))
	return nil
}

// expect prints the events as they come over NATS, up to the type.
func (d *demo) expect(ctx context.Context, typ bus.EventType) error {
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	for {
		e, err := d.events.Next(ctx)
		if err != nil {
			return fmt.Errorf("no %s event came: %w", typ, err)
		}
		d.step("", "  ◂ %s", d.c.eventLine(e))
		if e.Type == typ {
			return nil
		}
	}
}

func since(t time.Time) string { return took(float64(time.Since(t).Microseconds()) / 1000) }
