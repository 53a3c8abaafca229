package changelog

import (
	"math/rand/v2"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// history is a log with random commits of three tables in many segments. Table b is
// away for some of them, so that its commits come late; c joins later.
func history(t testing.TB, l *Log, seed uint64, segments int) (all []Commit) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	tables := []*table{newTable("a"), newTable("b"), newTable("c")}
	before := map[string]storage.Ledger{}
	var late []Commit
	v, through := l.Through(), storage.Version(0)
	for n := range segments {
		h := Head{From: v}
		commits := late
		late = nil
		away := n%5 == 3
		for range rnd.IntN(12) {
			v += storage.Version(1 + rnd.IntN(5))
			tb := tables[rnd.IntN(len(tables))]
			if tb.name == "c" && n < 2 {
				continue
			}
			c := tb.random(t, rnd, v)
			all = append(all, c)
			if tb.name == "b" && away {
				late = append(late, c)
			} else {
				commits = append(commits, c)
			}
		}
		v++
		h.To = v
		s := ship(h.From, v, map[string]storage.Ledger{"a": before["a"], "b": before["b"]}, commits...)
		if n >= 2 {
			s = ship(h.From, v, map[string]storage.Ledger{"a": before["a"], "b": before["b"], "c": before["c"]}, commits...)
		}
		if away {
			s.head.Tables[1].Through = through
		} else {
			through = v
		}
		s.append(t, l)
		before = s.afters()
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	for _, codec := range []Codec{Stored, S2, Zstd} {
		for seed := range uint64(4) {
			l := newLog(t)
			l.codec = codec
			all := history(t, l, seed, 13)
			for _, log := range []*Log{l, openLog(t, disk.OS, l.dir)} {
				require.Equal(t, l.Segments(), log.Segments())
				require.Equal(t, l.last, log.last)
				require.Empty(t, log.Problems())
				clean(t, log)
			}
			replayAll(t, l, all)
		}
	}
}

// replayAll replays each table from and up to every version.
func replayAll(t *testing.T, l *Log, all []Commit) {
	for _, name := range l.Tables() {
		last, ok := l.Last(name)
		require.True(t, ok)
		require.Equal(t, at(all, name, last.Through).Version, last.After.Version)
		for cut := storage.Version(0); cut <= last.Through; cut += 17 {
			for upTo := cut; upTo <= last.Through; upTo += 23 {
				got, err := replayed(t, l, name, at(all, name, cut), cut, upTo)
				require.NoError(t, err, "%s from %d to %d", name, cut, upTo)
				equal(t, of(all, name, cut, upTo), got)
			}
		}
		_, err := replayed(t, l, name, at(all, name, 5), 5, last.Through+1)
		var behind *BehindError
		require.ErrorAs(t, err, &behind)
		require.Equal(t, &BehindError{name, last.Through, last.Through + 1}, behind)
	}
}
