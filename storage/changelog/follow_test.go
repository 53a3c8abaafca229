package changelog

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// followed reads on from a version, in steps, until nothing more comes.
func followed(t *testing.T, l *Log, table string, after, step storage.Version) (got []storage.Commit, err error) {
	for {
		through, commits, err := l.Follow(t.Context(), table, after, after+step)
		if err != nil {
			return got, err
		}
		for c, err := range commits {
			require.NoError(t, err)
			require.Greater(t, c.Ledger.Version, after)
			require.LessOrEqual(t, c.Ledger.Version, through)
			got = append(got, c)
		}
		if through == after {
			return got, nil
		}
		after = through
	}
}

// Whoever knows only a version gets what comes after it, each commit once, however
// the log is cut into segments and pages.
func TestFollow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	l := newLog(t)
	got, err := followed(t, l, "a", 0, 10)
	require.NoError(t, err)
	require.Empty(t, got)
	a, b := newTable("a"), newTable("b")
	before := map[string]storage.Ledger{"a": {}, "b": {}}
	var all []Commit
	end := storage.Version(0)
	for range 12 {
		from, v := end, end
		var some []Commit
		for range rnd.IntN(6) {
			v += storage.Version(1 + rnd.IntN(20))
			tb := a
			if rnd.IntN(3) == 0 {
				tb = b
			}
			some = append(some, tb.random(t, rnd, v))
		}
		end = v + storage.Version(1+rnd.IntN(5))
		s := ship(from, end, before, some...)
		s.append(t, l)
		before, all = s.afters(), append(all, some...)
	}
	for round := range 2 {
		for after := range end + 3 {
			got, err := followed(t, l, "a", after, storage.Version(1+rnd.IntN(100)))
			require.NoError(t, err)
			equal(t, of(all, "a", after, end), got, after)
		}
		if round == 0 {
			_, err := l.Merge(t.Context(), MergeOptions{Fanout: 3})
			require.NoError(t, err)
		}
	}
}

// A gap is told, with the version from which on there is more.
func TestFollowStopsAtGaps(t *testing.T) {
	l := newLog(t)
	a := newTable("a")
	first := ship(0, 20, map[string]storage.Ledger{"a": {}}, a.put(t, 10, "k", "1"))
	first.append(t, l)
	a.put(t, 25, "k", "lost")
	broken := ship(20, 40, map[string]storage.Ledger{"a": a.ledger})
	broken.head.Tables[0].Break = true
	broken.append(t, l)
	ship(40, 60, broken.afters(), a.put(t, 50, "k", "2")).append(t, l)
	fresh := newTable("a")
	s := ship(60, 80, map[string]storage.Ledger{"a": {}}, fresh.put(t, 70, "k", "3"))
	s.head.Tables[0].Break = true
	s.append(t, l)
	for after, want := range map[storage.Version]struct {
		n     int
		until storage.Version // of the gap behind
	}{0: {1, 25}, 10: {0, 25}, 20: {0, 25}, 22: {0, 25}, 25: {1, 61}, 50: {0, 61}, 60: {0, 61}, 61: {1, 0}, 70: {}, 90: {}} {
		got, err := followed(t, l, "a", after, 7)
		require.Len(t, got, want.n, after)
		var gap *storage.GapError
		require.Equal(t, want.until > 0, errors.As(err, &gap), "%d: %v", after, err)
		if gap != nil {
			require.Equal(t, want.until, gap.Until, after)
			require.ErrorContains(t, err, "follow it from version")
		}
	}
}
