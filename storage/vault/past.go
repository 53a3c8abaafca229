package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
)

// Past is how the vault makes a table as it was at a version: a snapshot (or
// nothing), and the change log from there on, in legs: a restore ended each but the
// last.
type Past struct {
	Table    string
	At       storage.Version
	Snapshot string         // "": it begins empty
	Base     storage.Ledger // at the snapshot's cut
	Ledger   storage.Ledger // of the last commit at or before At
	Bytes    int64          // of the files to read
	legs     []leg
}

// leg is a stretch of the change log. Where restored is set, the leg ends with that
// commit, which puts what the legs so far have made in the place of the table.
type leg struct {
	from     storage.Ledger // the account that its first commit follows
	cut, to  storage.Version
	restored *storage.Commit // the restore that it begins with
}

// NotRestorableError says that the vault cannot make a table as it was at a version,
// and at which it can. It matches [ErrNotRestorable].
type NotRestorableError struct {
	Table  string
	At     storage.Version
	Ranges []changelog.Range // that can be restored, oldest first
	Err    error
}

func (e *NotRestorableError) Error() string {
	s := fmt.Sprintf("table %s as of %s (version %d): %v", e.Table, formatTime(e.At), e.At, ErrNotRestorable)
	if len(e.Ranges) == 0 {
		return s + ": the vault has no history of it; restore a snapshot"
	}
	s += "; what can be restored is"
	for _, r := range e.Ranges {
		s += fmt.Sprintf(" %s to %s (version %d to %d),", formatTime(r.From), formatTime(r.To), r.From, r.To)
	}
	return s[:len(s)-1]
}

// Is matches [ErrNotRestorable].
func (e *NotRestorableError) Is(target error) bool { return target == ErrNotRestorable }

// Unwrap returns why.
func (e *NotRestorableError) Unwrap() error { return e.Err }

func formatTime(v storage.Version) string {
	if v == 0 {
		return "the beginning"
	}
	return v.Time().UTC().Format("2006-01-02T15:04:05.000Z")
}

// Past finds how to make the table as it was at the version, whatever was restored
// since: the newest snapshot before, and the change log from there. It reads the
// log, and fails with a [NotRestorableError].
func (v *Vault) Past(ctx context.Context, table string, at storage.Version) (Past, error) {
	snaps, _, err := v.listTable(table)
	if err != nil {
		return Past{}, err
	}
	p, err := v.past(ctx, snaps, table, at)
	if err == nil && (at == 0 || p.Snapshot == "" && p.Ledger.Version == 0 && at < v.born()) {
		err = &storage.GapError{Table: table, After: 0, Until: v.born(), Problem: "there was no vault yet"}
	}
	if errors.Is(err, storage.ErrGap) || errors.Is(err, changelog.ErrBehind) {
		err = &NotRestorableError{Table: table, At: at, Ranges: v.restorable(table, snaps), Err: err}
	}
	return p, err
}

// Where the log does not lead to the version the error comes with how far it leads: the
// past's At and Ledger say so, and it can be built, unless its Table is empty.
func (v *Vault) past(ctx context.Context, snaps []Snapshot, table string, at storage.Version) (Past, error) {
	p := Past{Table: table, At: at}
	first := leg{to: at}
	if i := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.Cut <= at }); i >= 0 {
		s := snaps[i]
		p.Snapshot, p.Base, p.Bytes = s.Name, s.Ledger, s.Bytes
		first.from, first.cut = s.Ledger, s.Cut
	}
	if p.Ledger = first.from; first.cut == at {
		return p, nil
	}
	last, short := v.lead(ctx, &p, first)
	if to := v.reach(table, first.cut); short != nil && p.Ledger == first.from && to < at {
		first.to = to // what the heads of segments tell is told before any commit
		last, _ = v.lead(ctx, &p, first)
	}
	if short != nil {
		last.to = max(p.Ledger.Version, first.cut)
		p.At = last.to
	}
	if last.restored != nil {
		if err := v.beforeRestore(ctx, snaps, &p, *last.restored.Restored); err != nil {
			p.Table = ""
			return p, err
		}
	}
	if last.restored != nil || last.to > last.cut {
		p.legs = append(p.legs, last)
		p.Bytes += v.changes.Size(table, last.cut, last.to)
	}
	return p, short
}

// lead follows the log from where the leg begins to its end, or as far as it goes,
// notes the account there, and returns the last leg on the way.
func (v *Vault) lead(ctx context.Context, p *Past, first leg) (last leg, err error) {
	last = first
	for c, err := range v.changes.Replay(ctx, p.Table, first.from, first.cut, first.to) {
		if err != nil {
			return last, err
		}
		if p.Ledger = c.Ledger; c.Restored != nil {
			last = leg{from: c.Ledger, cut: c.Ledger.Version, to: first.to, restored: &storage.Commit{Ledger: c.Ledger, Restored: c.Restored}}
		}
	}
	return last, nil
}

// reach is how far the heads of the log's segments lead from a cut.
func (v *Vault) reach(table string, cut storage.Version) storage.Version {
	for _, r := range v.changes.Ranges(table) {
		if r.From <= cut && cut <= r.To {
			return r.To
		}
	}
	return cut
}

// beforeRestore makes p begin with what was restored.
func (v *Vault) beforeRestore(ctx context.Context, snaps []Snapshot, p *Past, from storage.Version) error {
	if from == 0 { // it became empty
		p.Snapshot, p.Base, p.Bytes = "", storage.Ledger{}, 0
		return nil
	}
	earlier, err := v.past(ctx, snaps, p.Table, from)
	if err == nil {
		p.Snapshot, p.Base, p.Bytes, p.legs = earlier.Snapshot, earlier.Base, earlier.Bytes, earlier.legs
	}
	return err
}

// BuildPast makes the table as it was into a new store in dir, which must not exist,
// and proves it: each commit of the log against its ledger on the way, and the whole
// by a full scan. progress, which may be nil, is told bytes. Whatever fails, dir is
// gone afterwards.
func (v *Vault) BuildPast(ctx context.Context, p Past, dir string, progress func(done, total int64)) (err error) {
	defer v.changes.Hold(v.oldest(p))()
	if p.Snapshot == "" {
		err = v.build(ctx, dir, p.Table, func(func(storage.Entry, error) bool) {}, storage.Ledger{})
	} else {
		finish := v.space.Join // one proof, of the result, is enough
		if len(p.legs) == 0 {
			finish = v.space.Complete
		}
		_, err = v.buildStore(ctx, p.Table, p.Snapshot, dir, finish, progress)
	}
	if err != nil || len(p.legs) == 0 {
		return err
	}
	return v.space.Rework(ctx, dir, p.Table, p.Ledger, func(s *storage.Store) error {
		for _, l := range p.legs {
			if err := v.redoLeg(ctx, s, p.Table, l); err != nil {
				return fmt.Errorf("restore table %s as of version %d: %w", p.Table, p.At, err)
			}
		}
		return nil
	})
}

func (v *Vault) oldest(p Past) storage.Version {
	cut := p.At
	for _, l := range p.legs {
		cut = min(cut, l.cut)
	}
	return cut
}

func (v *Vault) redoLeg(ctx context.Context, s *storage.Store, table string, l leg) error {
	if r := l.restored; r != nil {
		if _, err := s.Stamp(r.Ledger.Version, *r.Restored, r.Ledger.Commits-1); err != nil {
			return err
		}
	}
	return s.RollForward(v.changes.Replay(ctx, table, l.from, l.cut, l.to))
}
