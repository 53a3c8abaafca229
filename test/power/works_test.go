package power

import (
	"errors"
	"fmt"
	"os"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// manyTables reopens the stores, so that all they hold is in files.
func (l *life) manyTables() {
	l.someCommits()
	for name, s := range l.stores {
		require.NoError(l.t, s.Close(ctx))
		again, err := storage.Open(s.Dir(), name, l.storeOptions())
		require.NoError(l.t, err)
		l.t.Cleanup(func() { _ = again.Close(ctx) })
		l.stores[name] = again
		l.ship.Tap(name).Serve(again)
	}
}

// isRetained: another retention, on a vault that is opened for it, finds nothing to do.
func isRetained(l *life) error {
	v, err := vault.Open(l.fs, vaultDir, owner, vault.Options{Now: l.wall, ImageMin: 1, ChainMin: 1, Lock: func(string) (func() error, error) { return func() error { return nil }, nil }})
	if err != nil {
		return err
	}
	for _, name := range names {
		removed, err := v.Retain(ctx, name, keep, window)
		if err != nil || len(removed) > 0 {
			return fmt.Errorf("table %s: %v were left: %w", name, removed, err)
		}
	}
	if trimmed, err := v.TrimLog(ctx, keep, window); err != nil || len(trimmed) > 0 {
		return fmt.Errorf("of the log %v were left: %w", trimmed, err)
	}
	return nil
}

func (l *life) newest(table string) *promised {
	for i := len(l.snapshots) - 1; i >= 0; i-- {
		if l.snapshots[i].table == table {
			return l.snapshots[i]
		}
	}
	return nil
}

func (l *life) drillNewest() error {
	for _, name := range names {
		if _, err := l.vault.Drill(ctx, name, l.newest(name).name, l.dir); err != nil {
			return err
		}
	}
	return nil
}

func isProven(l *life) error {
	for _, name := range names {
		s, err := l.fresh().Resolve(name, l.newest(name).name)
		if err != nil || s.ProvenAt == nil {
			return fmt.Errorf("snapshot %s of table %s has no proof: %w", s.Name, name, err)
		}
	}
	left, err := os.ReadDir(l.dir)
	for _, e := range left {
		if e.Name()[0] == '.' {
			return fmt.Errorf("the drill left %s", e.Name())
		}
	}
	return err
}

// verifies is done only if verify says that all is well.
func (l *life) verifies() error {
	rep, err := l.vault.Verify(ctx)
	if err == nil && rep.Status != vault.StatusOK {
		err = fmt.Errorf("problems: %+v", rep.Problems)
	}
	return err
}

// wasRead: a verify that says that all is well has read all. A file that is not told of by
// Stat is opened all the same, and one that is closed was read.
func (l *life) wasRead() error {
	if l.met != nil && l.met.Verb != disktest.Close && l.met.Verb != disktest.Stat {
		return errors.New("verify calls good what it could not read")
	}
	return nil
}

func (l *life) buildsSnapshot() error {
	l.wants = l.snapshots[len(l.snapshots)-1].ledger
	s := l.snapshots[len(l.snapshots)-1]
	l.made, l.madeOf = l.scratch(), s.table
	_, err := l.vault.BuildStore(ctx, s.table, s.name, l.made, nil)
	return err
}

func (l *life) buildsMoment() error {
	name := names[0]
	l.wants, l.made, l.madeOf = l.stores[name].Ledger(), l.scratch(), name
	p, err := l.vault.Past(ctx, name, l.wants.Version)
	if err == nil {
		err = l.vault.BuildPast(ctx, p, l.made, nil)
	}
	return err
}

// isBuilt opens the store that was built.
func (l *life) isBuilt() error {
	s, err := storage.Open(l.made, l.madeOf, l.storeOptions())
	if err != nil {
		return err
	}
	if have := s.Ledger(); !have.Agrees(l.wants) {
		err = fmt.Errorf("the store has %+v, not %+v", have, l.wants)
	}
	return errors.Join(err, s.Prove(ctx, l.wants), s.Close(ctx))
}
