package changelog

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// stream returns all commits, table by table in their order, as they are stored.
func stream(t *testing.T, l *Log) (all []string) {
	for _, s := range l.Segments() {
		_, err := l.readAll(t.Context(), s.Name, s.span(), nil, func(h *Head, i int, c storage.Commit) error {
			all = append(all, fmt.Sprintf("%s %x", h.Tables[i].Table, appendCommit(nil, 0, &c)))
			return nil
		})
		require.NoError(t, err)
	}
	slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(a[:strings.Index(a, " ")], b[:strings.Index(b, " ")]) })
	return all
}

func mergeAll(t *testing.T, l *Log, o MergeOptions) (steps int) {
	for {
		done, err := l.Merge(t.Context(), o)
		require.NoError(t, err)
		if !done {
			return steps
		}
		steps++
		clean(t, l)
	}
}

func TestMergeKeepsEveryCommit(t *testing.T) {
	for seed := range uint64(5) {
		l := newLog(t)
		all := history(t, l, seed, 23)
		before, states, ranges := stream(t, l), l.last, l.Ranges("b")
		require.Positive(t, mergeAll(t, l, MergeOptions{Fanout: 2 + int(seed), MaxBytes: 20_000}))
		require.Equal(t, before, stream(t, l))
		require.Equal(t, ranges, l.Ranges("b"))
		mergeAll(t, l, MergeOptions{Fanout: 2})
		require.Len(t, l.Segments(), 1)
		require.Equal(t, before, stream(t, l))
		require.Equal(t, l.Segments(), openLog(t, disk.OS, l.dir).Segments())
		for name, s := range states {
			last, _ := l.Last(name)
			require.Equal(t, s, last)
			require.Equal(t, s.After, l.Segments()[0].Tables[slices.Index(l.Tables(), name)].After)
		}
		replayAll(t, l, all)
	}
}

// The head of a merged segment says less of restores than its commits do.
func TestMergeForgetsNoRestore(t *testing.T) {
	l := newLog(t)
	a, b := newTable("a"), newTable("b")
	ship(0, 10, map[string]storage.Ledger{"a": {}}, a.put(t, 2, "k", "one"), a.put(t, 4, "k", "two"), a.restore(t, 6, 4), a.restore(t, 7, 2)).append(t, l)
	second := a.ledger
	ship(10, 20, map[string]storage.Ledger{"a": second, "b": {}}, b.put(t, 12, "k", "one"), a.restore(t, 13, 0), b.restore(t, 14, 12)).append(t, l)
	want := []Restore{{4, 6}, {2, 7}, {0, 13}}
	for _, when := range []string{"before", "known", "after", "known"} {
		got, err := l.Restores(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, want, got, when)
		if when == "known" {
			mergeAll(t, l, MergeOptions{Fanout: 2})
			require.Len(t, l.Segments(), 1)
		}
	}
	require.Len(t, l.known, 1, "of the merged one only")
	got, err := l.Restores(t.Context(), "b")
	require.NoError(t, err)
	require.Equal(t, []Restore{{12, 14}}, got)
	file := l.path(l.Segments()[0].Name)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)-1] ^= 1
	overwrite(t, file, data)
	clear(l.known)
	got, err = l.Restores(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, append(want, Restore{0, 13}), got, "of a damaged one what can be read, and what its head says")
	require.NoError(t, os.Remove(file))
	got, err = l.Restores(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []Restore{{0, 13}}, got, "of a lost one what its head says")
}

func TestMergeIsTiered(t *testing.T) {
	l := newLog(t)
	small(t, l, 15)
	require.Zero(t, mergeAll(t, l, MergeOptions{}))
	_, err := more(t, l)
	require.NoError(t, err)
	require.Equal(t, 1, mergeAll(t, l, MergeOptions{}))
	require.Len(t, l.Segments(), 1)
	require.Less(t, l.Segments()[0].Bytes, int64(16<<10))
}

func TestMergeNeverCrossesABreak(t *testing.T) {
	l, _ := broken(t)
	require.Equal(t, 2, mergeAll(t, l, MergeOptions{Fanout: 2})+1)
	require.Len(t, l.Segments(), 2)
	require.Equal(t, []Range{{0, 10}, {15, 40}}, l.Ranges("a"))
	require.True(t, l.Segments()[1].Tables[0].Break)
	require.Equal(t, l.Segments(), openLog(t, disk.OS, l.dir).Segments())
}

func TestMergeNeverCrossesAHoleOrAHub(t *testing.T) {
	l := newLog(t)
	small(t, l, 3)
	next, err := Open(disk.OS, l.dir, vaultID, "hub-2", Options{})
	require.NoError(t, err)
	for range 4 {
		_, err := more(t, next)
		require.NoError(t, err)
	}
	require.NoError(t, next.fs.Remove(next.path(next.Segments()[4].Name)))
	again := openLog(t, disk.OS, l.dir)
	for {
		done, err := again.Merge(t.Context(), MergeOptions{Fanout: 2})
		require.NoError(t, err)
		if !done {
			break
		}
	}
	var spans []span
	for _, s := range again.Segments() {
		spans = append(spans, s.span())
	}
	require.Equal(t, []span{{0, 30}, {30, 40}, {50, 70}}, spans)
}

// A damaged segment is not merged away, and stops no other merge.
func TestMergeOfADamagedSegment(t *testing.T) {
	l := newLog(t)
	small(t, l, 7)
	name := l.Segments()[2].Name
	data := read(t, l.path(name))
	data[len(data)-endSize-5] ^= 1
	overwrite(t, l.path(name), data)
	done, err := l.Merge(t.Context(), MergeOptions{Fanout: 3})
	require.False(t, done)
	require.ErrorIs(t, err, storage.ErrDamaged)
	done, err = l.Merge(t.Context(), MergeOptions{Fanout: 3})
	require.NoError(t, err)
	require.True(t, done)
	require.Len(t, l.Segments(), 4)
	problems(t, l, name)
	require.Equal(t, data, read(t, l.path(name)))
}

// Where a kill left the merged segment and those that it covers, and it is damaged
// since, the others are the log.
func TestDamagedMergedSegment(t *testing.T) {
	for _, at := range []int{len(magic), -endSize - 1} { // the head, the last frame
		l := newLog(t)
		all, _ := small(t, l, 4)
		segs := l.Segments()
		var kept [][]byte
		for _, s := range segs {
			kept = append(kept, read(t, l.path(s.Name)))
		}
		require.Equal(t, 1, mergeAll(t, l, MergeOptions{Fanout: 4}))
		for i, s := range segs {
			overwrite(t, l.path(s.Name), kept[i])
		}
		merged := l.Segments()[0].Name
		data := read(t, l.path(merged))
		data[(at+len(data))%len(data)] ^= 1
		overwrite(t, l.path(merged), data)
		again := openLog(t, disk.OS, l.dir)
		require.Equal(t, segs, again.Segments())
		require.Equal(t, merged, again.Problems()[0].File)
		got, err := replayed(t, again, "b", storage.Ledger{}, 0, 40)
		require.NoError(t, err)
		equal(t, of(all, "b", 0, 40), got)
	}
}

func TestRemove(t *testing.T) {
	l := newLog(t)
	all, _ := small(t, l, 6)
	segs := l.Segments()
	overwrite(t, l.path(segs[1].Name), nil)
	l = openLog(t, disk.OS, l.dir)
	release := l.Hold(25)
	removed, err := l.Remove(t.Context(), 45)
	require.NoError(t, err)
	require.Equal(t, []string{segs[0].Name, segs[1].Name}, removed)
	require.Empty(t, l.Problems())
	got, err := replayed(t, l, "a", at(all, "a", 25), 25, 60)
	require.NoError(t, err)
	equal(t, of(all, "a", 25, 60), got)
	release()
	release()
	_, err = replayed(t, l, "a", storage.Ledger{}, 0, 60)
	require.ErrorIs(t, err, storage.ErrGap)
	removed, err = l.Remove(t.Context(), 45)
	require.NoError(t, err)
	require.Equal(t, []string{segs[2].Name, segs[3].Name}, removed)
	removed, err = l.Remove(t.Context(), storage.MaxVersion)
	require.NoError(t, err)
	require.Equal(t, []string{segs[4].Name}, removed)
	require.Equal(t, segs[5:], l.Segments())
	clean(t, l)
	require.Equal(t, storage.Version(60), openLog(t, disk.OS, l.dir).Through())
	_, err = more(t, l)
	require.NoError(t, err)
}

// One appends, one merges, one removes, one verifies, and readers read.
func TestTogether(t *testing.T) {
	l := newLog(t)
	all, _ := small(t, l, 20)
	other, err := Open(disk.OS, l.dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	reader := func(l *Log, cut storage.Version) {
		for ctx.Err() == nil {
			got, err := replayed(t, l, "a", at(all, "a", cut), cut, 200)
			if !expect(t, err == nil && slices.EqualFunc(got, of(all, "a", cut, 200), func(a, b storage.Commit) bool { return a.Ledger == b.Ledger }), err) {
				return
			}
		}
	}
	defer l.Hold(50)()
	readers.Go(func() { reader(l, 50) })
	readers.Go(func() { reader(l, 120) })
	readers.Go(func() { reader(other, 50) })
	readers.Go(func() {
		for ctx.Err() == nil {
			_, _, ps := other.Verify(ctx, 0)
			expect(t, len(ps) == 0, ps)
			_, _, ps = l.Verify(ctx, 0)
			expect(t, len(ps) == 0, ps)
			_ = l.Ranges("a")
		}
	})
	writers.Go(func() {
		for range 60 {
			_, err := more(t, l)
			expect(t, err == nil, err)
		}
	})
	writers.Go(func() {
		for n := range 40 {
			_, err := l.Merge(t.Context(), MergeOptions{Fanout: 2 + n%4, MaxBytes: 20_000})
			expect(t, err == nil, err)
		}
	})
	writers.Go(func() {
		for n := range 40 {
			_, err := l.Remove(t.Context(), storage.Version(n))
			expect(t, err == nil, err)
		}
	})
	writers.Wait()
	stop()
	readers.Wait()
	clean(t, l)
	require.Equal(t, storage.Version(800), l.Through())
}

// expect is an assertion for goroutines other than the test's.
func expect(t *testing.T, ok bool, got any) bool {
	if !ok {
		t.Errorf("got %v", cmp.Or[any](got, "another result"))
	}
	return ok
}
