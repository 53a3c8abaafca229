package changelog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// Who restores all tables reads the log once for each of them: that must not be the whole
// of it each time.
func TestAReaderOfOneTableSkipsTheOthers(t *testing.T) {
	for _, c := range []struct {
		name               string
		segments, perTable int
		early              bool // the segments skip already as they are appended
	}{{"a busy hub", 3, 100, true}, {"a quiet one", 32, 2, false}} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			all, v := manyTables(t, l, c.segments, c.perTable)
			if c.early {
				require.Less(t, changesRead(t, l, 3), len(all)/8)
			} else {
				require.Equal(t, len(all), changesRead(t, l, 3), "so small that they have one frame each")
			}
			require.Positive(t, mergeAll(t, l, MergeOptions{Fanout: 2}))
			require.Len(t, l.Segments(), 1)
			require.Equal(t, len(all), changesRead(t, l, -1))
			require.Less(t, changesRead(t, l, 3), len(all)/4, "merged")
			got, err := replayed(t, l, "t03", storage.Ledger{}, 0, v)
			require.NoError(t, err)
			equal(t, of(all, "t03", 0, v), got)
		})
	}
}

// manyTables ships commits of one change that 16 tables made in turns, and returns the
// last version, too.
func manyTables(t *testing.T, l *Log, segments, perTable int) (all []Commit, v storage.Version) {
	var tables []*table
	before := map[string]storage.Ledger{}
	for i := range 16 {
		tables = append(tables, newTable(fmt.Sprintf("t%02d", i)))
		before[tables[i].name] = storage.Ledger{}
	}
	for range segments {
		from, first := v, len(all)
		for range perTable {
			for _, tb := range tables {
				v++
				all = append(all, tb.put(t, v, fmt.Sprint(v%500), strings.Repeat("x", 500)))
			}
		}
		s := ship(from, v, before, all[first:]...)
		s.append(t, l)
		before = s.afters()
	}
	return all, v
}

// changesRead is how many changes a reader of one table, or with -1 of all, takes in.
func changesRead(t *testing.T, l *Log, only int) (n int) {
	for _, s := range l.Segments() {
		require.NoError(t, l.open(t.Context(), s.Name, s.span(), func(r *reader) error {
			err := r.frames(only, newAccount(&r.head, nil), func(int, storage.Commit) error { return nil })
			n += int(r.total.changes)
			return err
		}))
	}
	return n
}
