package changelog

import (
	"context"
	"os"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// gapOf asserts that the replay finds a gap, before it yields anything.
func gapOf(t *testing.T, l *Log, from storage.Ledger, cut, upTo storage.Version) *storage.GapError {
	t.Helper()
	got, err := replayed(t, l, "a", from, cut, upTo)
	require.Empty(t, got)
	var gap *storage.GapError
	require.ErrorAs(t, err, &gap)
	require.Equal(t, "a", gap.Table)
	return gap
}

// broken is a log of table a whose commits 13 and 15 were never shipped:
//
//	0-10: 3, 7    10-20: 17 after a break    20-30: none    30-40: 33
func broken(t *testing.T) (l *Log, all []Commit) {
	l = newLog(t)
	a := newTable("a")
	add := func(v storage.Version) Commit {
		c := a.put(t, v, "k", "v")
		all = append(all, c)
		return c
	}
	s := ship(0, 10, map[string]storage.Ledger{"a": {}}, add(3), add(7))
	s.append(t, l)
	add(13)
	lost := map[string]storage.Ledger{"a": add(15).Ledger}
	s = ship(10, 20, lost, add(17))
	_, err := l.Append(t.Context(), s.head, s.commits)
	var gap *storage.GapError
	require.ErrorAs(t, err, &gap, "a break is never made by mistake")
	require.Equal(t, storage.Version(7), gap.After)
	require.Equal(t, storage.Version(15), gap.Until)
	s.head.Tables[0].Break = true
	s.append(t, l)
	s = ship(20, 30, s.afters())
	s.append(t, l)
	s = ship(30, 40, s.afters(), add(33))
	s.append(t, l)
	return l, all
}

func TestReplayAcrossABreak(t *testing.T) {
	l, all := broken(t)
	for _, log := range []*Log{l, openLog(t, disk.OS, l.dir)} {
		clean(t, log)
		require.Equal(t, []Range{{0, 10}, {15, 40}}, log.Ranges("a"))
		for upTo := storage.Version(11); upTo <= 40; upTo++ { // up to 14 no later commit shows it
			gap := gapOf(t, log, storage.Ledger{}, 0, upTo)
			require.Equal(t, storage.Version(7), gap.After)
			require.Equal(t, storage.Version(15), gap.Until)
			gapOf(t, log, at(all, "a", 10), 10, upTo)
			if upTo > 14 {
				gapOf(t, log, at(all, "a", 13), 14, upTo)
			}
		}
		for cut := storage.Version(15); cut < 40; cut++ {
			got, err := replayed(t, log, "a", at(all, "a", cut), cut, 40)
			require.NoError(t, err)
			equal(t, of(all, "a", cut, 40), got)
		}
		got, err := replayed(t, log, "a", storage.Ledger{}, 0, 10)
		require.NoError(t, err)
		require.Len(t, got, 2)
	}
}

// A break without any later commit is found as well.
func TestBreakWithoutCommits(t *testing.T) {
	l := newLog(t)
	a := newTable("a")
	s := ship(0, 10, map[string]storage.Ledger{"a": {}}, a.put(t, 5, "k", "v"))
	s.append(t, l)
	s = ship(10, 20, map[string]storage.Ledger{"a": a.put(t, 15, "k", "w").Ledger})
	s.head.Tables[0].Break = true
	s.append(t, l)
	require.Equal(t, []Range{{0, 10}, {15, 20}}, l.Ranges("a"))
	gapOf(t, l, storage.Ledger{}, 0, 12)
	gapOf(t, l, at([]Commit{{"a", storage.Commit{Ledger: s.head.Tables[0].Before}}}, "a", 14), 14, 20)
	got, err := replayed(t, l, "a", s.head.Tables[0].Before, 15, 20)
	require.NoError(t, err)
	require.Empty(t, got)
}

// A table that began anew (its directory was lost, and it was started empty) has a
// history of its own.
func TestTableThatBeganAnew(t *testing.T) {
	l := newLog(t)
	old, fresh := newTable("a"), newTable("a")
	all := []Commit{old.put(t, 3, "k", "v"), old.put(t, 5, "k", "v")}
	ship(0, 10, map[string]storage.Ledger{"a": {}}, all...).append(t, l)
	c := fresh.put(t, 13, "k", "w")
	s := ship(10, 20, map[string]storage.Ledger{"a": {}}, c)
	_, err := l.Append(t.Context(), s.head, s.commits)
	require.ErrorIs(t, err, storage.ErrGap)
	s.head.Tables[0].Break = true
	s.append(t, l)
	clean(t, l)
	require.Equal(t, []Range{{0, 10}, {10, 20}}, l.Ranges("a"))
	for cut := storage.Version(3); cut <= 10; cut++ {
		gap := gapOf(t, l, at(all, "a", cut), cut, 20)
		require.GreaterOrEqual(t, gap.Until, gap.After)
	}
	got, err := replayed(t, l, "a", c.Ledger, 14, 20)
	require.NoError(t, err)
	require.Empty(t, got)
}

// A snapshot that is not what the log says the table was at its cut cannot be the
// beginning of a replay.
func TestReplayFromAnotherState(t *testing.T) {
	l := newLog(t)
	all, _ := small(t, l, 4)
	for cut := storage.Version(0); cut < 30; cut++ {
		for _, wrong := range []storage.Version{0, 3, 13, 23, 33} {
			from := at(all, "a", wrong)
			got, err := replayed(t, l, "a", from, cut, 40)
			if from == at(all, "a", cut) {
				require.NoError(t, err)
				continue
			}
			if from.Version > cut {
				require.ErrorIs(t, err, storage.ErrInvalid)
			} else {
				require.ErrorIs(t, err, storage.ErrGap, "cut %d, ledger of %d", cut, wrong)
			}
			require.Empty(t, got)
		}
		from := at(all, "a", cut)
		from.Records++
		_, err := replayed(t, l, "a", from, cut, 40)
		require.ErrorIs(t, err, storage.ErrGap)
	}
}

func TestReplayOfRestores(t *testing.T) {
	l := newLog(t)
	a := newTable("a")
	all := []Commit{a.put(t, 2, "k", "one"), a.put(t, 4, "k", "two"), a.restore(t, 6, 2), a.put(t, 8, "l", "three"), a.restore(t, 9, 0)}
	ship(0, 10, map[string]storage.Ledger{"a": {}}, all...).append(t, l)
	clean(t, l)
	got, err := replayed(t, l, "a", storage.Ledger{}, 0, 10)
	require.NoError(t, err)
	equal(t, of(all, "a", 0, 10), got)
	require.Equal(t, storage.Version(2), *got[2].Restored)
	require.Equal(t, storage.Version(0), *got[4].Restored)
	require.Zero(t, got[4].Ledger.Records)
}

func TestReplayIsBehind(t *testing.T) {
	l := newLog(t)
	_, before := small(t, l, 2)
	behind := func(table string, through storage.Version) {
		_, err := replayed(t, l, table, before[table], 20, 30)
		require.Equal(t, &BehindError{table, through, 30}, err)
		require.ErrorIs(t, err, ErrBehind)
	}
	behind("a", 20)
	behind("never", 0)
	s := ship(20, 40, map[string]storage.Ledger{"b": before["b"]}) // a is served no more
	s.append(t, l)
	behind("a", 20)
	got, err := replayed(t, l, "a", before["a"], 20, 20)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = replayed(t, l, "b", before["b"], 20, 40)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Merges, by this process or another, take nothing from a reader on its way.
func TestReplayWhileMerging(t *testing.T) {
	l := newLog(t)
	all, _ := small(t, l, 8)
	other, err := Open(disk.OS, l.dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	for _, reader := range []*Log{other, l} {
		var got []storage.Commit
		for c, err := range reader.Replay(t.Context(), "a", storage.Ledger{}, 0, 75) {
			require.NoError(t, err)
			if got = append(got, c); len(got)%3 == 1 {
				_, err := l.Merge(t.Context(), MergeOptions{Fanout: 2, MaxBytes: int64(2000 * len(got))})
				require.NoError(t, err)
			}
		}
		equal(t, of(all, "a", 0, 75), got)
	}
	require.Less(t, len(l.Segments()), 4)
}

func TestReplayFindsWhatVanishes(t *testing.T) {
	l := newLog(t)
	small(t, l, 3)
	other, err := Open(disk.OS, l.dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, os.Remove(l.path(l.Segments()[1].Name)))
	for _, reader := range []*Log{l, other} {
		got, err := replayed(t, reader, "a", storage.Ledger{}, 0, 30)
		require.ErrorIs(t, err, storage.ErrDamaged)
		require.Len(t, got, 1)
	}
}

func TestReplayStops(t *testing.T) {
	l := newLog(t)
	all, _ := small(t, l, 3)
	n := 0
	for range l.Replay(t.Context(), "a", storage.Ledger{}, 0, 30) {
		n++
		break
	}
	require.Equal(t, 1, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range l.Replay(ctx, "a", at(all, "a", 3), 3, 30) {
		if cancel(); n == 2 {
			require.ErrorIs(t, err, context.Canceled)
		}
		n++
	}
	require.Equal(t, 3, n)
	require.Empty(t, l.holds)
}

// Of the time between a table's old history and its new one nothing is known: it is in no range.
func TestTheTimeBeforeATableBeganAnewIsInNoRange(t *testing.T) {
	l := newLog(t)
	old, fresh, other := newTable("a"), newTable("a"), newTable("b")
	ship(0, 10, map[string]storage.Ledger{"a": {}, "b": {}}, old.put(t, 3, "k", "v"), other.put(t, 4, "k", "v")).append(t, l)
	before := other.ledger
	ship(10, 20, map[string]storage.Ledger{"b": before}, other.put(t, 14, "k", "w")).append(t, l)
	s := ship(20, 30, map[string]storage.Ledger{"a": {}}, fresh.put(t, 23, "k", "w"))
	s.head.Tables[0].Break = true
	s.append(t, l)
	clean(t, l)
	require.Equal(t, []Range{{0, 10}, {20, 30}}, l.Ranges("a"))
}
