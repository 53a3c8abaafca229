package power

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// A hub's storage lives: commits, shipping, runs of all three kinds of snapshots, drills,
// retention, merging, trimming, restores, restarts. Wherever the power goes: what is
// listed is whole, every shipped commit is in the vault, every moment in reach is as it
// was, versions rise, and the next start goes on.
func TestPowerVault(t *testing.T) {
	disktest.Power(t, func(t *testing.T, seed uint64) disktest.Life {
		rec, err := disktest.Record(&disktest.Mem{}, disktest.Options{})
		require.NoError(t, err)
		l := newLife(t, seed, rec)
		l.live(60)
		return disktest.Life{Recorder: rec, Start: l.start}
	})
}

// start opens vault and clock on what a power cut has left, and checks what was told
// before the step.
func (l *life) start(fsys disk.FS, step int) (next func() error, err error) {
	if err := fsys.MkdirAll(filepath.Dir(clockFile)); err != nil {
		return nil, err
	}
	v, err := vault.Open(fsys, vaultDir, owner, l.options(fsys))
	if err != nil {
		return nil, fmt.Errorf("the vault does not open: %w", err)
	}
	defer func() {
		if err != nil {
			_ = v.Close()
		}
	}()
	if err := clean(v); err != nil {
		return nil, err
	}
	for _, check := range []func(*vault.Vault, int) error{l.checkSnapshots, l.checkRuns, l.checkShipped, l.checkMoments} {
		if err := check(v, step); err != nil {
			return nil, err
		}
	}
	// The wall clock is set back: nothing but the mark tells which versions were issued.
	c, err := storage.OpenClock(fsys, clockFile, func() time.Time { return l.now.Add(-30 * 24 * time.Hour) })
	if err != nil {
		return nil, fmt.Errorf("the clock does not open: %w", err)
	}
	if err := l.checkClock(c, step); err != nil {
		return nil, err
	}
	return func() error { return l.goOn(v) }, nil
}

// clean verifies all of a vault.
func clean(v *vault.Vault) error {
	rep, err := v.Verify(ctx)
	if err != nil {
		return err
	}
	if len(rep.Problems) > 0 {
		return fmt.Errorf("verify finds %+v", rep.Problems)
	}
	list, err := v.List()
	if err == nil && len(list.Problems) > 0 {
		err = fmt.Errorf("list tells of %+v", list.Problems)
	}
	return err
}

func (l *life) checkSnapshots(v *vault.Vault, step int) error {
	list, err := v.List()
	if err != nil {
		return err
	}
	have := map[string]vault.Snapshot{}
	for _, s := range list.Snapshots {
		have[s.Table+"/"+s.Name] = s
	}
	for _, s := range l.snapshots {
		got, is := have[s.table+"/"+s.name]
		switch {
		case !is && s.from <= step && (s.mayGo == 0 || step < s.mayGo):
			return fmt.Errorf("snapshot %s of %s was acknowledged and is gone", s.name, s.table)
		case is && s.gone > 0 && step >= s.gone:
			return fmt.Errorf("snapshot %s of %s was removed and is back", s.name, s.table)
		case is && !got.Ledger.Agrees(s.ledger):
			return fmt.Errorf("snapshot %s of %s has another ledger", s.name, s.table)
		case is && s.proven > 0 && step >= s.proven && got.ProvenAt == nil:
			return fmt.Errorf("snapshot %s of %s was proven and is not", s.name, s.table)
		}
	}
	return nil
}

func (l *life) checkRuns(v *vault.Vault, step int) error {
	for _, r := range l.runs {
		if _, err := v.Run(r.value); r.from <= step && err != nil {
			return fmt.Errorf("run %s was recorded: %w", r.value, err)
		}
	}
	return nil
}

// checkShipped: what the log was said to have, the vault has.
func (l *life) checkShipped(v *vault.Vault, step int) error {
	for _, name := range names {
		want := at(l.shipped[name], step)
		if want.Commits == 0 {
			continue
		}
		st, _ := v.Log().Last(name)
		if st.After.Commits < want.Commits {
			return fmt.Errorf("table %s: commit %d was reported as shipped, the log ends at %d", name, want.Commits, st.After.Commits)
		}
		p, err := v.Past(ctx, name, st.After.Version)
		if err != nil {
			return fmt.Errorf("table %s as of its last shipped commit: %w", name, err)
		}
		if known := l.ledgers[name][p.Ledger.Version]; !known.Agrees(p.Ledger) || p.Ledger.Commits != st.After.Commits {
			return fmt.Errorf("table %s: the vault leads to %+v, and not to %+v", name, p.Ledger, known)
		}
	}
	return nil
}

// checkMoments looks at two earlier moments of each table that must be in reach.
func (l *life) checkMoments(v *vault.Vault, step int) error {
	for _, name := range names {
		shipped := at(l.shipped[name], step).Version
		var reach []storage.Version
		for _, moment := range l.moments[name] {
			if moment > at(l.trimmed, step) && moment <= shipped {
				reach = append(reach, moment)
			}
		}
		for i := range min(2, len(reach)) {
			moment := reach[(step*7+i*13)%len(reach)]
			p, err := v.Past(ctx, name, moment)
			if err != nil {
				return fmt.Errorf("table %s at %d: %w", name, moment, err)
			}
			if known := l.ledgers[name][moment]; p.Ledger.Version != moment || !known.Agrees(p.Ledger) {
				return fmt.Errorf("table %s at %d: the vault leads to %+v, and not to %+v", name, moment, p.Ledger, known)
			}
		}
	}
	return nil
}

func (l *life) checkClock(c *storage.Clock, step int) error {
	v, err := c.Next(storage.MaxVersion)
	if err == nil {
		if issued := at(l.issued, step); v <= issued {
			err = fmt.Errorf("the clock issues %d, and had issued %d", v, issued)
		}
	}
	if e := c.Close(); err == nil {
		err = e
	}
	return err
}

// goOn backs up, keeps as little as may be kept, merges, and verifies.
func (l *life) goOn(v *vault.Vault) error {
	defer func() { _ = v.Close() }()
	top, err := v.MaxVersion()
	if err != nil {
		return err
	}
	cut := max(top, l.spare.Ledger().Version) + 1
	lease, err := l.spare.Lease()
	if err != nil {
		return err
	}
	defer lease.Release()
	s, err := v.WriteSnapshot(ctx, vault.SnapshotSpec{Table: "spare", Run: "run9999999", Cut: cut, Ledger: lease.Ledger}, vault.Source{Entries: lease.Entries()}, vault.WriteOptions{})
	if err != nil {
		return err
	}
	run := vault.Run{ID: "run9999999", Hub: owner.Hub, Trigger: "api", Cut: cut, Results: []vault.Result{s.Result(0, 0)}}
	run.Tally()
	if err := v.WriteRun(run); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := v.Retain(ctx, name, 1, 0); err != nil {
			return err
		}
	}
	if _, err := v.Log().Merge(ctx, changelog.MergeOptions{Fanout: 2}); err != nil {
		return err
	}
	if _, err := v.TrimLog(ctx, 1, 0); err != nil {
		return err
	}
	return clean(v)
}
