package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/vault"
)

// nothingError says that a damaged table cannot be rebuilt, and why: nothing is as it
// should be, and trying again will not change that.
type nothingError struct {
	store string
	err   error
}

func (e *nothingError) Error() string {
	return fmt.Sprintf("it cannot be rebuilt: %s; the damaged store is kept in %s; put back what the vault lost and start again, or let the table start empty with serve --heal empty",
		strings.ReplaceAll(e.err.Error(), "\n", "; "), e.store)
}

// errNoCandidate says that the vault has nothing of a table.
var errNoCandidate = errors.New("the vault has no snapshot and no change log of it")

// rebuild brings the table back to its last commit, or as near to it as the vault
// leads. Other errors than a nothingError may pass.
func (x *healer) rebuild(ctx context.Context, ref *actors.TableRef, q actors.Quarantine) error {
	h := x.h
	if err := h.vault.Check(); err != nil {
		return err
	}
	if h.shipper != nil { // what is in memory only
		if _, err := h.shipper.Ship(ctx); err != nil {
			return err
		}
	}
	c := &cure{x: x, ref: ref, q: q, bad: map[string]bool{}}
	if err := c.goal(); err != nil {
		return err
	}
	done, err := c.all(ctx)
	if done || err != nil {
		return err
	}
	if err := errors.Join(c.passing, h.vault.Check()); err != nil { // what could not be read now may lead further
		return err
	}
	if done, err = c.nearest(ctx); done || err != nil {
		return err
	}
	if err := errors.Join(c.passing, h.vault.Check()); err != nil {
		return err
	}
	return &nothingError{q.Store, errors.Join(append(c.failed, c.none())...)}
}

// cure is one attempt to rebuild a table.
type cure struct {
	x       *healer
	ref     *actors.TableRef
	q       actors.Quarantine
	at      storage.Version // as far as the vault's history of the table goes
	snaps   []Snapshot      // newest first
	bad     map[string]bool // those that turned out to be damaged
	short   []vault.Past    // what does not lead to the end
	failed  []error
	passing error // one that may pass
}

// goal finds out what there is.
func (c *cure) goal() error {
	list, err := c.x.h.vault.List(c.ref.Name())
	if err != nil {
		return err
	}
	c.snaps = list.Snapshots
	for _, p := range list.Problems {
		c.failed = append(c.failed, fmt.Errorf("snapshot %s: %s", p.Snapshot, p.Problem))
		if _, err := c.x.h.vault.Manifest(c.ref.Name(), p.Snapshot); mayPass(err) {
			c.passing = err
		}
	}
	st, _ := c.x.h.vault.Log().Last(c.ref.Name())
	if c.at = st.Through; len(c.snaps) > 0 {
		c.at = max(c.at, c.snaps[0].Cut)
	}
	return nil
}

func (c *cure) none() error {
	if len(c.snaps) == 0 && c.at == 0 {
		return errNoCandidate
	}
	return nil
}

// all tries what leads to the end: by way of the newest proven snapshot, then of each
// other, newest first, then of none.
func (c *cure) all(ctx context.Context) (done bool, err error) {
	if c.at == 0 {
		return false, nil
	}
	i := slices.IndexFunc(c.snaps, func(s Snapshot) bool { return s.ProvenAt != nil })
	if i >= 0 {
		if done, err := c.try(ctx, func(s Snapshot) bool { return s.ProvenAt != nil && !c.bad[s.Name] }); done || err != nil {
			return done, err
		}
	}
	for _, s := range c.snaps {
		if c.bad[s.Name] {
			continue
		}
		if done, err := c.try(ctx, func(o Snapshot) bool { return o.Cut <= s.Cut && !c.bad[o.Name] }); done || err != nil {
			return done, err
		}
	}
	return c.try(ctx, func(Snapshot) bool { return false })
}

// try rebuilds the table by way of some snapshots. What leads nowhere is noted.
func (c *cure) try(ctx context.Context, may func(Snapshot) bool) (done bool, err error) {
	p, err := c.x.h.vault.PastFrom(ctx, c.ref.Name(), c.at, may)
	if err != nil && p.Table != "" && c.worth(p) == nil {
		c.short = append(c.short, p)
	}
	if err == nil {
		err = c.worth(p)
	}
	if err == nil {
		return c.build(ctx, p)
	}
	return false, c.lost(ctx, p, err)
}

// lost takes note of a candidate that failed. An error that concerns no candidate is
// returned.
func (c *cure) lost(ctx context.Context, p vault.Past, err error) error {
	if ctx.Err() != nil || !ofCandidate(err) {
		return err
	}
	if mayPass(err) {
		c.passing = err
	}
	c.x.h.log.Warn("a damaged table cannot be rebuilt this way; the next one is tried", "table", c.ref.Name(), "snapshot", p.Snapshot, "err", err)
	c.failed = append(c.failed, err)
	return nil
}

// nearest tries what leads less far than to the end, bare snapshots included, the
// furthest first.
func (c *cure) nearest(ctx context.Context) (done bool, err error) {
	for _, s := range c.snaps {
		p, err := c.x.h.vault.PastFrom(ctx, c.ref.Name(), s.Cut, func(o Snapshot) bool { return o.Name == s.Name })
		if err == nil && c.worth(p) == nil {
			c.short = append(c.short, p)
		}
	}
	slices.SortStableFunc(c.short, func(a, b vault.Past) int { return cmp.Compare(b.Ledger.Commits, a.Ledger.Commits) })
	for _, p := range c.short {
		if c.bad[p.Snapshot] {
			continue
		}
		if done, err := c.build(ctx, p); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// errLess says that the store itself has more than the vault.
var errLess = errors.New("the store on the disk has later commits than the vault")

// worth says why a past is none to go back to: it is empty though the table was not,
// or a store that only lacks its end has more.
func (c *cure) worth(p vault.Past) error {
	if p.Ledger.Commits == 0 && (c.q.Known.Commits > 0 || c.q.Seen > 0) {
		return fmt.Errorf("%w: the vault has none of its commits", ErrNotRestorable)
	}
	if errors.Is(c.q.Err, storage.ErrTailLost) && p.Ledger.Commits < c.q.Known.Commits {
		return fmt.Errorf("%w: %w", ErrNotRestorable, errLess)
	}
	return nil
}

// build rebuilds the table as the past says, swaps it in, and announces it. A snapshot
// that cannot be used is noted.
func (c *cure) build(ctx context.Context, p vault.Past) (done bool, err error) {
	h, name := c.x.h, c.ref.Name()
	if p.Snapshot != "" {
		release, err := h.vault.Hold(name, p.Snapshot)
		if err != nil {
			return false, err
		}
		defer release()
	}
	r := RestoredTable{Table: name, Status: StatusRestored, Snapshot: p.Snapshot, At: vault.At(p.At.Time()), Version: p.At,
		Records: p.Ledger.Records, FileSize: p.Bytes, ReplacedDir: c.q.Store}
	r.LaterCommits, r.Missing = c.missing(p.Ledger)
	got, err := c.ref.Heal(ctx, p.At, func(ctx context.Context, dir string) error {
		if err := h.vault.BuildPast(ctx, p, dir, h.restoreProgress("", name)); err != nil {
			return err
		}
		return c.x.swapping(r)
	})
	if err != nil {
		c.x.aborted(name, err)
		c.bad[p.Snapshot] = true
		return false, c.lost(ctx, p, err)
	}
	h.logRestore(ctx, name)
	r.Records, r.FileSize, r.ReplacedDir = got.Records, got.FileBytes, cmp.Or(got.ReplacedDir, c.q.Store)
	h.log.Info("a damaged table is healed", "table", name, "snapshot", p.Snapshot, "version", p.At, "records", r.Records, "missing", r.LaterCommits)
	h.announceRestore(r, triggerAuto)
	c.x.swapped(name, nil)
	if r.Missing != "" {
		c.x.backUp(name)
	}
	return true, nil
}

// backUp backs up a table that could not be brought to its last commit: what the vault
// has of the time before leads no further, so it must not be all that the next recovery
// has.
func (x *healer) backUp(table string) {
	ctx, done, err := x.h.begin(x.h.life)
	if err != nil {
		return
	}
	go func() {
		defer done()
		if _, err := x.h.group.Backup().Backup(ctx, actors.TriggerSchedule, table); err != nil && ctx.Err() == nil {
			x.h.log.Error("a table that was healed with a loss could not be backed up; the next backup does it", "table", table, "err", err)
		}
	}()
}

// missing counts the commits that were acknowledged and that a rebuilt table has not
// got, and says which. Where only the last version is known there is at least one.
func (c *cure) missing(got storage.Ledger) (n uint64, text string) {
	if c.q.Known.Commits > got.Commits {
		n = c.q.Known.Commits - got.Commits
	} else if c.q.Seen > got.Version {
		n = 1
	}
	if n == 0 {
		return 0, ""
	}
	exact := "commits"
	if c.q.Seen > c.q.Known.Version {
		exact = "commits or more"
	}
	return n, fmt.Sprintf("%d %s after version %d (%s), up to version %d, were acknowledged and are in no snapshot and no change log",
		n, exact, got.Version, got.Version.Time().UTC().Format(time.RFC3339Nano), c.q.Seen)
}

// ofCandidate says whether an error tells of what a table was to be rebuilt from, and
// not of where to.
func ofCandidate(err error) bool {
	for _, e := range []error{storage.ErrDamaged, storage.ErrGap, changelog.ErrBehind, vault.ErrNotRestorable, vault.ErrNoSnapshot, vault.ErrNewer, changelog.ErrNewer} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mayPass says whether what could not be read may be read another time.
func mayPass(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && no != syscall.ENOENT || errors.Is(err, vault.ErrNewer) || errors.Is(err, changelog.ErrNewer)
}

// startEmpty lets the table begin anew, beside what is left of it.
func (x *healer) startEmpty(ctx context.Context, ref *actors.TableRef, q actors.Quarantine, why *nothingError) error {
	name := ref.Name()
	reason := fmt.Sprintf("it started empty, as heal %s says: nothing could be restored: %s", HealEmpty, strings.ReplaceAll(why.err.Error(), "\n", "; "))
	_, err := ref.Heal(ctx, 0, func(ctx context.Context, dir string) error {
		if err := x.h.vault.BuildPast(ctx, vault.Past{Table: name}, dir, nil); err != nil {
			return err
		}
		return x.swapping(RestoredTable{Table: name, ReplacedDir: q.Store, Missing: reason})
	})
	if err != nil {
		x.aborted(name, err)
		return err
	}
	x.h.log.Error("a damaged table starts empty", "table", name, "kept", q.Store, "err", why.err)
	x.announceEmpty(name, q.Store, reason)
	return nil
}
