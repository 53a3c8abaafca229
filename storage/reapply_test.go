package storage

import (
	"context"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// keysOf is all that a store has, with versions: records, the index of expiries, its
// account and the mark of a restore. It tells how many versions there are of records, too.
func keysOf(t *testing.T, s *Store) (keys map[string]uint64, versions int) {
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	keys = map[string]uint64{}
	it := txn.NewIterator(badger.DefaultIteratorOptions)
	for it.Rewind(); it.Valid(); it.Next() {
		keys[string(it.Item().KeyCopy(nil))] = it.Item().Version()
	}
	it.Close()
	all := txn.NewIterator(badger.IteratorOptions{AllVersions: true, Prefix: recordPrefix})
	defer all.Close()
	for all.Rewind(); all.Valid(); all.Next() {
		versions++
	}
	return keys, versions
}

func wholeHistory(t *testing.T, l *Lease) (all []Commit) {
	for c, err := range l.History(Ledger{}, MaxVersion) {
		require.NoError(t, err)
		all = append(all, c)
	}
	return all
}

func applyAll(s *Store, history bool, commits iter.Seq2[Commit, error]) error {
	if history {
		return s.Redo(commits)
	}
	return s.RollForward(commits)
}

// A store made of commits is the one that they were made in, whether all of them are
// kept or only what counts in the end.
func TestRedoAndRollForward(t *testing.T) {
	for _, size := range []int{64, 400 << 10} { // the larger ones go to Badger in several batches
		p := newPast(t, uint64(size))
		due := p.v.Time().Add(time.Hour * 24 * 365)
		again := func() { // the same time of expiry: the index's entry goes and comes at one version
			for range 3 {
				require.NoError(t, p.commit(Batch{{Key: []byte("again"), Value: make([]byte, size), ExpiresAt: due}}))
			}
			p.ledger[p.v] = p.Ledger()
		}
		p.live(60, size)
		again()
		middle := p.v
		again()
		p.live(40, size)
		p.v += 1000
		_, err := p.Stamp(p.v, middle, p.Ledger().Commits)
		require.NoError(t, err)
		p.live(50, size)
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
				require.NoError(t, applyAll(s, history, l.History(p.ledger[from], to)))
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

// What was written and deleted again, or replaced what was large, takes no memory.
func TestRollForwardForgets(t *testing.T) {
	const n, size = 300, 100 << 10
	p := newPast(t, 1)
	key := func(i int) []byte { return fmt.Appendf(nil, "k%d", i) }
	value := make([]byte, size)
	for i := range n {
		require.NoError(t, p.commit(Batch{{Key: key(i), Value: value}}))
	}
	filled := p.Ledger()
	for i := range n {
		require.NoError(t, p.commit(Batch{{Key: key(i), Delete: true}}))
	}
	emptied := p.Ledger()
	for i := n; i < 2*n; i++ {
		require.NoError(t, p.commit(Batch{{Key: key(i), Value: value}}))
		require.NoError(t, p.commit(Batch{{Key: key(i), Value: value[:i%2], Delete: i%2 == 0}}))
	}
	l, err := p.Lease()
	require.NoError(t, err)
	defer l.Release()
	all := wholeHistory(t, l)
	part := func(after, upTo Ledger, at func()) iter.Seq2[Commit, error] {
		return func(yield func(Commit, error) bool) {
			for i, c := range all[after.Commits:upTo.Commits] {
				if i%100 == 99 {
					at()
				}
				if !yield(c, nil) {
					return
				}
			}
		}
	}
	for _, history := range []bool{false, true} {
		s, err := Create(filepath.Join(t.TempDir(), "n"), "things", p.options())
		require.NoError(t, err)
		require.NoError(t, applyAll(s, history, part(Ledger{}, filled, func() {})))
		before := liveBytes()
		little := func() { require.Less(t, liveBytes()-before, int64(n*size/2), "history %t", history) }
		require.NoError(t, applyAll(s, history, part(filled, emptied, little)))
		if !history { // else it all goes to Badger, which has memory of its own
			require.NoError(t, applyAll(s, history, part(emptied, p.Ledger(), little)))
		}
		require.NoError(t, s.Close(context.Background()))
	}
	runtime.KeepAlive(all)
}

func liveBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A commit that does not lead to its ledger ends it.
func TestRollForwardChecksEachCommit(t *testing.T) {
	p := newPast(t, 3)
	p.live(20, 64)
	l, err := p.Lease()
	require.NoError(t, err)
	defer l.Release()
	commits := wholeHistory(t, l)
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
