package changelog

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

const (
	vaultID = "vault-1"
	hubID   = "hub-1"
)

// entry is a sealed record, made after the layout that storage/record.go documents.
func entry(key, value string, v storage.Version) storage.Entry {
	head := binary.BigEndian.AppendUint64(nil, uint64(len(key)))
	head = binary.BigEndian.AppendUint64(head, uint64(v))
	head = binary.BigEndian.AppendUint64(append(head, 0), 0)
	h := xxh3.Hash128(slices.Concat(head, []byte(key), []byte(value)))
	env := binary.BigEndian.AppendUint64([]byte{1, 0}, h.Hi)
	return storage.Entry{Key: []byte(key), Version: v, Envelope: append(env, value...)}
}

// ledger makes a table's ledger after a commit. Its writer's own fields are unexported
// in package storage, so it goes through the encoding.
func ledger(t testing.TB, live map[string]storage.Entry, c storage.Ledger, changes []storage.Entry) storage.Ledger {
	l := storage.Ledger{Version: c.Version, Commits: c.Commits, Dead: c.Dead}
	for _, k := range slices.Sorted(maps.Keys(live)) {
		r, h, problem := live[k].Open()
		require.Empty(t, problem)
		l.Add(&r, h)
	}
	var sum storage.Ledger // Add counts any hash
	for _, e := range changes {
		h, problem := e.Hash()
		require.Empty(t, problem)
		sum.Add(&storage.Record{}, h)
	}
	l.Writes, l.Change = uint64(len(changes)), sum.Digest
	return l
}

// table makes the commits of one table.
type table struct {
	name    string
	live    map[string]storage.Entry
	ledger  storage.Ledger
	history map[storage.Version]map[string]storage.Entry // states by version, for restores
}

func newTable(name string) *table {
	return &table{name: name, live: map[string]storage.Entry{}, history: map[storage.Version]map[string]storage.Entry{}}
}

func (tb *table) done(t testing.TB, v storage.Version, changes []storage.Entry, restored *storage.Version) Commit {
	tb.ledger = ledger(t, tb.live, storage.Ledger{Version: v, Commits: tb.ledger.Commits + 1}, changes)
	tb.history[v] = maps.Clone(tb.live)
	return Commit{tb.name, storage.Commit{Ledger: tb.ledger, Changes: changes, Restored: restored}}
}

// put commits one record.
func (tb *table) put(t testing.TB, v storage.Version, key, value string) Commit {
	e := entry(key, value, v)
	tb.live[key] = e
	return tb.done(t, v, []storage.Entry{e}, nil)
}

// remove commits a deletion.
func (tb *table) remove(t testing.TB, v storage.Version, key string) Commit {
	delete(tb.live, key)
	return tb.done(t, v, []storage.Entry{{Key: []byte(key), Version: v}}, nil)
}

// restore commits a restore of the state at an earlier commit, 0 for an empty table.
func (tb *table) restore(t testing.TB, v, from storage.Version) Commit {
	tb.live = maps.Clone(tb.history[from])
	if tb.live == nil {
		tb.live = map[string]storage.Entry{}
	}
	return tb.done(t, v, nil, &from)
}

// random commits something: records, deletions, now and then a restore.
func (tb *table) random(t testing.TB, rnd *rand.Rand, v storage.Version) Commit {
	if len(tb.history) > 3 && rnd.IntN(20) == 0 {
		versions := slices.Sorted(maps.Keys(tb.history))
		return tb.restore(t, v, versions[rnd.IntN(len(versions))])
	}
	changes := map[string]storage.Entry{}
	for range 1 + rnd.IntN(5) {
		key := fmt.Sprintf("key-%d", rnd.IntN(30))
		if rnd.IntN(4) == 0 {
			changes[key] = storage.Entry{Key: []byte(key), Version: v}
			delete(tb.live, key)
			continue
		}
		value := make([]byte, rnd.IntN(60))
		for i := range value {
			value[i] = byte(rnd.Uint32())
		}
		changes[key] = entry(key, string(value), v)
		tb.live[key] = changes[key]
	}
	return tb.done(t, v, slices.Collect(maps.Values(changes)), nil)
}

// shipment gathers what one segment gets.
type shipment struct {
	head    Head
	commits []Commit
}

// ship makes the shipment of the commits; states of tables without any are left as they are.
func ship(from, to storage.Version, before map[string]storage.Ledger, commits ...Commit) (s shipment) {
	s.head.From, s.head.To = from, to
	for _, name := range slices.Sorted(maps.Keys(before)) {
		st := TableState{Table: name, Before: before[name], After: before[name], Through: to}
		for _, c := range commits {
			if c.Table == name {
				st.After = c.Ledger
				st.Commits++
			}
		}
		s.head.Tables = append(s.head.Tables, st)
	}
	s.commits = commits
	return s
}

func (s shipment) append(t testing.TB, l *Log) Segment {
	t.Helper()
	seg, err := l.Append(t.Context(), s.head, s.commits)
	require.NoError(t, err)
	return seg
}

// afters are the states to go on from.
func (s shipment) afters() map[string]storage.Ledger {
	m := map[string]storage.Ledger{}
	for _, st := range s.head.Tables {
		m[st.Table] = st.After
	}
	return m
}

func openLog(t testing.TB, fsys disk.FS, dir string) *Log {
	t.Helper()
	l, err := Open(fsys, dir, vaultID, hubID, Options{})
	require.NoError(t, err)
	return l
}

func newLog(t testing.TB) *Log { return openLog(t, disk.OS, filepath.Join(t.TempDir(), "log")) }

// replayed returns what a replay yields, and its error.
func replayed(t testing.TB, l *Log, table string, from storage.Ledger, cut, upTo storage.Version) (got []storage.Commit, err error) {
	for c, e := range l.Replay(t.Context(), table, from, cut, upTo) {
		if e != nil {
			return got, e
		}
		got = append(got, c)
	}
	return got, nil
}

// of are the table's commits with cut < version <= upTo.
func of(commits []Commit, table string, cut, upTo storage.Version) (some []storage.Commit) {
	for _, c := range commits {
		if c.Table == table && c.Ledger.Version > cut && c.Ledger.Version <= upTo {
			some = append(some, c.Commit)
		}
	}
	return some
}

// at is the table's ledger at the version.
func at(commits []Commit, table string, v storage.Version) (l storage.Ledger) {
	for _, c := range commits {
		if c.Table == table && c.Ledger.Version <= v && c.Ledger.Version > l.Version {
			l = c.Ledger
		}
	}
	return l
}

// equal compares commits; an empty and a missing list of changes are the same.
func equal(t testing.TB, want, got []storage.Commit, msg ...any) {
	t.Helper()
	require.Len(t, got, len(want), msg...)
	for i := range want {
		require.Equal(t, want[i].Ledger, got[i].Ledger, msg...)
		require.Equal(t, want[i].Restored, got[i].Restored, msg...)
		require.Len(t, got[i].Changes, len(want[i].Changes), msg...)
		for j := range want[i].Changes {
			require.Equal(t, want[i].Changes[j], got[i].Changes[j], msg...)
		}
	}
}

// clean asserts that verify finds nothing.
func clean(t testing.TB, l *Log) {
	t.Helper()
	checked, bytes, problems := l.Verify(t.Context(), 0)
	require.Empty(t, problems)
	require.Len(t, l.Segments(), checked)
	var want int64
	for _, s := range l.Segments() {
		want += s.Bytes
	}
	require.Equal(t, want, bytes)
}

// newer makes the segment one of format 2, with a true checksum.
func newer(data []byte) []byte {
	data = slices.Clone(data)
	data[len(magic)+1]++
	n := binary.BigEndian.Uint32(data[headLead-4:])
	binary.BigEndian.PutUint64(data[n-sumSize:], xxh3.Hash(data[:n-sumSize]))
	return data
}
