package storage

import "context"

// Rebuild writes what lives at the lease's version, and nothing older, into a new
// store at dir, proven against the ledger. Writes go on meanwhile; [Store.CatchUp]
// brings the new store up to them. This is how Brock compacts: it frees all that is
// dead, value log included, whatever shape Badger's levels have (Badger's Flatten
// freed nothing where all tables lay on one level).
//
// The lease's version is what the vault durably holds (see [Store.LeaseAt]): what
// came later the new store keeps commit by commit, for the change log.
func (l *Lease) Rebuild(ctx context.Context, dir string) error {
	want := l.Ledger
	want.Dead = 0
	return l.s.opts.Build(ctx, dir, l.s.table, l.Entries(), want)
}

// CatchUp applies to s what old has committed since s was rebuilt from it. For an
// exact result nobody may commit to old or s meanwhile.
func (s *Store) CatchUp(old *Store) error {
	l, err := old.Lease()
	if err != nil {
		return err
	}
	defer l.Release()
	if err := s.Redo(l.History(s.Ledger(), l.Version)); err != nil {
		return err
	}
	return s.Sync() // the store that it replaces was synced long ago
}

func (b *builder) remove(key []byte, v Version) error {
	if b.txn != nil {
		return b.txn.Delete(key)
	}
	return b.batch.DeleteAt(key, uint64(v))
}

// Stamp commits, at version v, that the state of the table at version from is in
// its place (0: that it became empty), with the account of commits going on from
// commits: the mark that a restore leaves in the restored store.
func (s *Store) Stamp(v, from Version, commits uint64) (Commit, error) {
	w, err := s.begin(v)
	if err != nil {
		return Commit{}, err
	}
	defer w.txn.Discard()
	w.ledger.Commits = max(commits, w.ledger.Commits)
	if err := w.txn.Set(restoredKey, be64(nil, uint64(from))); err != nil {
		return Commit{}, err
	}
	if err = w.commit(); err == nil {
		s.restored.Store(uint64(v))
		err = s.Sync()
	}
	return Commit{Ledger: w.ledger, Restored: &from}, err
}
