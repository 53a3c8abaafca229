package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/brockdb/brock/storage"
)

// refill brings back from the change log what a store has silently lost of its last
// commits: those that its witness saw, or those that the log has and it has not. s is
// nil where the witness noticed it. The store is the truth otherwise.
func (t *table) refill(s *storage.Store, noticed error, note *openedMsg) (*storage.Store, error) {
	logged := t.tap.Shipped()
	if t.tap == nil || noticed == nil && s.Ledger().Commits >= logged.Commits {
		return s, noticed
	}
	if s != nil {
		if done, err := t.elsewhere(s); done {
			return s, err
		}
	}
	if s == nil {
		opts := t.cfg.Store
		opts.LostTail = true
		var err error
		if s, err = t.openCurrent(opts); err != nil {
			return nil, errors.Join(noticed, err)
		}
	}
	has := s.Ledger()
	note.ends = has
	err := s.Refill(context.Background(), t.cfg.Vault.Log().Replay(context.Background(), t.conf.Name, has, has.Version, logged.Version))
	if err == nil {
		// Once more with the witness: it must have seen nothing that the log has not.
		if err = s.Close(context.Background()); err == nil {
			if s, err = t.openCurrent(t.cfg.Store); err == nil {
				t.log.Warn("the table had lost its last commits; they are back, from the change log", "commits", s.Ledger().Commits-has.Commits)
				return s, nil
			}
		}
	}
	if noticed == nil && errors.Is(err, storage.ErrGap) && s != nil {
		if forked := t.forked(has); forked != nil {
			return nil, errors.Join(forked, s.Close(context.Background()))
		}
	}
	t.log.Error("the table has lost its last commits, and the change log cannot bring them back", "ends_at", has.Version, "err", err)
	if s != nil {
		err = errors.Join(err, s.Close(context.Background()))
	}
	if noticed == nil {
		noticed = &storage.DamageError{Table: t.conf.Name, File: t.dir.Current(), Err: storage.ErrTailLost,
			Problem: "the change log has later commits; restore the table with --at latest"}
	}
	return nil, errors.Join(noticed, err)
}

// forked is the error of a store that lacks nothing, but is not what the change log goes
// on from. Nobody but a person can say which of the two pasts is to count, so nothing is
// healed, and both are kept.
func (t *table) forked(has storage.Ledger) error {
	if is, err := t.cfg.Vault.Log().Forked(context.Background(), t.conf.Name, has); err != nil || !is {
		return nil //nolint:nilerr // then it is not known, and what follows says what is wrong
	}
	return fmt.Errorf("table %s: %w: its store ends at version %d, which is not in the vault, and the vault goes on to version %d: another hub has used the vault meanwhile; restore the table with --at latest to take the vault's past (the store is kept), or give this hub a vault of its own to go on with the store's",
		t.conf.Name, storage.ErrForked, has.Version, t.tap.Shipped().Version)
}

// elsewhere is for a store that has fewer commits than the log on purpose: it was
// restored into this directory (restore --to), or begins anew and was killed before
// it could say so. It goes on from what it is, by a commit that says that.
func (t *table) elsewhere(s *storage.Store) (done bool, err error) {
	from, restored := t.dir.RestoredElsewhere()
	switch {
	case restored:
		if err = t.stamp(s, from, t.tap.Shipped().Commits); err == nil {
			err = t.dir.Home()
		}
	case s.Ledger().Commits == 0 && t.conf.Create:
		err = t.beginAnew(s)
	default:
		return false, nil
	}
	if err != nil {
		err = errors.Join(err, s.Close(context.Background()))
	}
	return true, err
}
