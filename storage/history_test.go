package storage

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// past is a store with a model of it at every version.
type past struct {
	*testStore
	rng    *rand.Rand
	ledger map[Version]Ledger
	states map[Version]map[string]string
	now    map[string]string
}

func newPast(t *testing.T, seed uint64) *past {
	return &past{testStore: newStore(t), rng: rand.New(rand.NewPCG(seed, 1)), ledger: map[Version]Ledger{0: {}},
		states: map[Version]map[string]string{0: {}}, now: map[string]string{}}
}

// live makes n random commits.
func (p *past) live(n, size int) {
	for range n {
		p.v += Version(1 + p.rng.IntN(40_000<<counterBits)) // minutes turn on the way
		var b Batch
		for range 1 + p.rng.IntN(4) {
			key := fmt.Sprintf("k%02d", p.rng.IntN(40))
			op := Op{Key: []byte(key)}
			if op.Delete = p.rng.IntN(4) == 0; !op.Delete {
				op.Value = fmt.Append(make([]byte, 0, size+8), p.v)
				op.Value = append(op.Value, make([]byte, p.rng.IntN(size))...)
				if p.rng.IntN(3) == 0 {
					op.ExpiresAt = p.v.Time().Add(time.Hour * 24 * 365)
				}
			}
			b = slices.DeleteFunc(b, func(o Op) bool { return string(o.Key) == key })
			b = append(b, op)
		}
		out, err := p.Commit(p.v, []Batch{b})
		require.NoError(p.t, err)
		if len(out.Changes) == 0 {
			continue
		}
		for _, c := range out.Changes {
			if c.Envelope == nil {
				delete(p.now, string(c.Key))
				continue
			}
			r, _, problem := c.Open()
			require.Empty(p.t, problem)
			p.now[string(c.Key)] = string(r.Value)
		}
		p.ledger[p.v], p.states[p.v] = out.Ledger, maps.Clone(p.now)
	}
}

func (p *past) versions() []Version { return slices.Sorted(maps.Keys(p.states)) }

func contents(t *testing.T, l *Lease) map[string]string {
	all := map[string]string{}
	for r, err := range l.Scan(Range{}) {
		require.NoError(t, err)
		all[string(r.Key)] = string(r.Value)
	}
	return all
}

// replica applies a part of p's history to a copy of the model.
func (p *past) replica(from, to Version) map[string]string {
	state := maps.Clone(p.states[from])
	l, err := p.Lease()
	require.NoError(p.t, err)
	defer l.Release()
	for c, err := range l.History(p.ledger[from], to) {
		require.NoError(p.t, err)
		for _, e := range c.Changes {
			if e.Envelope == nil {
				delete(state, string(e.Key))
				continue
			}
			r, _, _ := e.Open()
			state[string(e.Key)] = string(r.Value)
		}
		require.Equal(p.t, p.states[c.Ledger.Version], state)
	}
	return state
}

func TestHistoryIsExact(t *testing.T) {
	for seed := range uint64(5) {
		p := newPast(t, seed)
		p.live(150, 64)
		p.reopen()
		p.live(50, 64)
		all := p.versions()
		for range 10 {
			i := p.rng.IntN(len(all))
			j := i + p.rng.IntN(len(all)-i)
			require.Equal(t, p.states[all[j]], p.replica(all[i], all[j]))
		}
		require.Equal(t, p.now, p.replica(0, MaxVersion))
	}
}

// A history larger than the memory for it comes in several windows, whole.
func TestHistoryInWindows(t *testing.T) {
	p := newPast(t, 7)
	p.live(120, 2<<20)
	require.Equal(t, p.now, p.replica(0, MaxVersion))
}

// What was discarded is never passed off as a whole history.
func TestDiscardedHistoryIsAGap(t *testing.T) {
	p := newPast(t, 3)
	for range 6 {
		p.live(50, 64)
		p.reopen() // flushes
	}
	all := p.versions()
	read := func(upTo Version) (last error) {
		l, err := p.Lease()
		require.NoError(t, err)
		defer l.Release()
		for _, err := range l.History(p.ledger[all[100]], upTo) {
			last = err
		}
		return last
	}
	// Badger drops only what it compacts, and chooses itself when that is.
	for try := 0; try < 50 && read(MaxVersion) == nil; try++ {
		p.live(5, 64)
		p.reopen()
		p.Discard(all[200])
		require.NoError(t, p.db.Flatten(2))
	}
	p.live(5, 64)
	for _, upTo := range []Version{all[150], all[250], MaxVersion} {
		require.ErrorIs(t, read(upTo), ErrGap)
	}
	require.Equal(t, p.now, p.replica(all[200], MaxVersion), "above the mark all is there")
}

func TestLeaseAtAnEarlierVersion(t *testing.T) {
	p := newPast(t, 11)
	p.live(20, 64)
	p.reopen()
	floor := p.v
	p.live(100, 64)
	for v, state := range p.states {
		l, err := p.LeaseAt(v)
		if v < floor {
			require.ErrorIs(t, err, ErrGap)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, state, contents(t, l))
		require.Equal(t, p.ledger[v], l.Ledger)
		l.Release()
	}
	l, err := p.LeaseAt(floor)
	require.NoError(t, err)
	p.Discard(p.v) // waits for the lease
	require.Equal(t, p.states[floor], contents(t, l))
	l.Release()
	p.Discard(p.v)
	_, err = p.LeaseAt(floor)
	require.ErrorIs(t, err, ErrGap)
}

// A compacted store keeps the history that the vault does not hold yet.
func TestRebuildKeepsHistory(t *testing.T) {
	p := newPast(t, 13)
	p.live(100, 64)
	shipped := p.v
	p.live(100, 64)
	l, err := p.LeaseAt(shipped)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "n")
	require.NoError(t, l.Rebuild(context.Background(), dir))
	l.Release()
	n, err := Open(dir, "things", p.options())
	require.NoError(t, err)
	require.NoError(t, n.CatchUp(p.Store))
	p.live(30, 64)
	require.NoError(t, n.CatchUp(p.Store))
	require.NoError(t, p.Close(context.Background()))
	p.Store = n
	require.Equal(t, p.now, p.replica(shipped, MaxVersion))
	require.NoError(t, p.Prove(context.Background(), p.ledger[p.v]))
	p.reopen()
	require.Equal(t, p.now, p.replica(shipped, MaxVersion))
}

// A restore shows in the history, with the version that it restored.
func TestHistoryTellsOfRestores(t *testing.T) {
	p := newPast(t, 17)
	p.live(10, 64)
	before := p.ledger[p.v]
	p.v += 1000
	c, err := p.Stamp(p.v, 42, before.Commits+5)
	require.NoError(t, err)
	p.put("k", "v")
	l, err := p.Lease()
	require.NoError(t, err)
	defer l.Release()
	var got []Commit
	before.Commits += 5
	for c, err := range l.History(before, MaxVersion) {
		require.NoError(t, err)
		got = append(got, c)
	}
	require.Len(t, got, 2)
	require.Equal(t, c, got[0])
	require.EqualValues(t, 42, *got[0].Restored)
	require.Nil(t, got[1].Restored)
}

// Who looks back sees each state, also where nothing was committed any more, but not
// past a restore: what the restored store has from before is not the table's past.
func TestLookAt(t *testing.T) {
	p := newPast(t, 19)
	p.live(60, 64)
	look := func(s *Store, v Version) map[string]string {
		l, err := s.LookAt(v)
		require.NoError(t, err)
		defer l.Release()
		return contents(t, l)
	}
	for v, state := range p.states {
		require.Equal(t, state, look(p.Store, v))
	}
	last := p.v
	p.Discard(last + 1<<20)
	require.Equal(t, p.now, look(p.Store, last+1<<10), "an idle table is what it was, wherever the mark is")
	p.v += 1 << 21
	_, err := p.Stamp(p.v, last, 0)
	require.NoError(t, err)
	l, err := p.Lease()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "n")
	require.NoError(t, l.Rebuild(context.Background(), dir))
	l.Release()
	n, err := Open(dir, "things", p.options())
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Close(context.Background())) }()
	restored := p.v
	p.v++
	_, err = p.Stamp(p.v, last, 0)
	require.NoError(t, err)
	require.NoError(t, n.CatchUp(p.Store))
	for _, s := range []*Store{p.Store, n} {
		_, err = s.LookAt(restored - 1)
		require.ErrorIs(t, err, ErrGap)
		require.Equal(t, p.now, look(s, p.v))
	}
	l, err = n.Lease()
	require.NoError(t, err)
	defer l.Release()
	for c, err := range l.History(Ledger{Version: restored, Commits: l.Ledger.Commits - 1}, MaxVersion) {
		require.NoError(t, err)
		require.NotNil(t, c.Restored, "a compaction keeps the mark of a restore")
	}
}

// TestACompactedStoreIsKilled opens the files of a store that was compacted while
// commits went on, and was never closed since.
func TestACompactedStoreIsKilled(t *testing.T) {
	p := newPast(t, 7)
	p.live(20, 50)
	l, err := p.Lease()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "next")
	require.NoError(t, l.Rebuild(context.Background(), dir))
	l.Release()
	p.live(30, 50)
	next, err := Open(dir, "task", p.options())
	require.NoError(t, err)
	require.NoError(t, next.CatchUp(p.Store))
	_, err = next.Commit(p.v+1, []Batch{{{Key: []byte("k"), Value: []byte("v")}}})
	require.NoError(t, err)
	killed := filepath.Join(t.TempDir(), "killed")
	asKilled(t, killed, dir)
	require.NoError(t, next.Close(context.Background()))
	again, err := Open(killed, "task", p.options())
	require.NoError(t, err)
	require.Equal(t, next.Ledger().Commits, again.Ledger().Commits)
	require.NoError(t, again.Close(context.Background()))
}

// A rebuilt store has the ledger of its last commit, but not what that restored: it
// cannot tell of the commit.
func TestARestoreThatWasForgottenIsAGap(t *testing.T) {
	p := newPast(t, 3)
	p.live(10, 50)
	before := p.Ledger()
	_, err := p.Stamp(p.v+1, p.v-1, before.Commits)
	require.NoError(t, err)
	l, err := p.Lease()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "next")
	require.NoError(t, l.Rebuild(context.Background(), dir))
	l.Release()
	next, err := Open(dir, "task", p.options())
	require.NoError(t, err)
	defer func() { require.NoError(t, next.Close(context.Background())) }()
	l, err = next.Lease()
	require.NoError(t, err)
	defer l.Release()
	for _, err := range l.History(before, MaxVersion) {
		require.ErrorIs(t, err, ErrGap)
		return
	}
	t.Fatal("it has no history at all")
}

// A look at the time before a store's first commit, while it is written to, is for the
// race detector: Badger's own account of its versions is the writer's alone.
func TestTheTimeBeforeTheFirstCommitBesideWrites(t *testing.T) {
	ts := newStore(t)
	begin := ts.v
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 50 {
			if err := ts.commit(Batch{{Key: fmt.Append(nil, i), Value: []byte("v")}}); err != nil {
				t.Error(err)
			}
		}
	}()
	for looking := true; looking; {
		select {
		case <-written:
			looking = false
		default:
		}
		l, err := ts.LeaseAt(begin)
		require.NoError(t, err)
		require.Zero(t, l.Ledger)
		l.Release()
	}
}
