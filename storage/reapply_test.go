package storage

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// keysOf is all that a store has but its account: records and the index of expiries,
// with versions. It tells how many versions there are of them, too.
func keysOf(t *testing.T, s *Store) (keys map[string]uint64, versions int) {
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	keys = map[string]uint64{}
	it := txn.NewIterator(badger.DefaultIteratorOptions)
	for it.Rewind(); it.Valid(); it.Next() {
		if !bytes.HasPrefix(it.Item().Key(), ledgerPrefix) {
			keys[string(it.Item().KeyCopy(nil))] = it.Item().Version()
		}
	}
	it.Close()
	all := txn.NewIterator(badger.IteratorOptions{AllVersions: true, Prefix: recordPrefix})
	defer all.Close()
	for all.Rewind(); all.Valid(); all.Next() {
		versions++
	}
	return keys, versions
}

// A store made of commits is the one that they were made in, whether all of them are
// kept or only what counts in the end.
func TestRedoAndRollForward(t *testing.T) {
	for _, size := range []int{64, 400 << 10} { // the larger ones go to Badger in several batches
		p := newPast(t, uint64(size))
		p.live(60, size)
		middle := p.v
		p.live(90, size)
		l, err := p.Lease()
		require.NoError(t, err)
		defer l.Release()
		want, _ := keysOf(t, p.Store)
		whole := 0
		for _, history := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), "n")
			s, err := Create(dir, "things", p.options())
			require.NoError(t, err)
			for _, from := range []Version{0, middle} { // the second goes on from what the first left
				to := middle
				if from == middle {
					to = p.v
				}
				require.NoError(t, s.redo(l.History(p.ledger[from], to), history))
			}
			require.Equal(t, p.ledger[p.v].Commits, s.Ledger().Commits)
			require.NoError(t, s.Prove(context.Background(), p.ledger[p.v]))
			got, versions := keysOf(t, s)
			require.Equal(t, want, got)
			if history {
				require.Equal(t, p.Ledger().Dead, s.Ledger().Dead)
				whole = versions
			} else {
				require.Less(t, s.Ledger().Dead, p.Ledger().Dead)
				require.Less(t, versions, whole)
			}
			require.NoError(t, s.Close(context.Background()))
			s, err = Open(dir, "things", p.options())
			require.NoError(t, err)
			require.NoError(t, s.Prove(context.Background(), p.ledger[p.v]))
			require.NoError(t, s.Close(context.Background()))
		}
	}
}

// A commit that does not lead to its ledger ends it.
func TestRollForwardChecksEachCommit(t *testing.T) {
	p := newPast(t, 3)
	p.live(20, 64)
	l, err := p.Lease()
	require.NoError(t, err)
	defer l.Release()
	var commits []Commit
	for c, err := range l.History(Ledger{}, MaxVersion) {
		require.NoError(t, err)
		commits = append(commits, c)
	}
	commits[10].Changes = nil
	s, err := Create(filepath.Join(t.TempDir(), "n"), "things", p.options())
	require.NoError(t, err)
	err = s.RollForward(func(yield func(Commit, error) bool) {
		for _, c := range commits {
			if !yield(c, nil) {
				return
			}
		}
	})
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "does not agree with its ledger")
	require.NoError(t, s.Close(context.Background()))
}
