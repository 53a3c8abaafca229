package vault

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	soon := epoch.Add(time.Hour)
	big := make([]byte, storage.MaxValueBytes)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(rnd.Uint32())
	}
	for name, es := range map[string][]storage.Entry{
		"empty table":      nil,
		"empty value":      {entry("a", "", 1, time.Time{}), entry("b", "", 2, soon)},
		"expiry":           {entry("a", "x", 5, soon), entry("b", "y", 6, epoch.Add(-time.Hour))},
		"any bytes":        {entry("\x00", "\xff\x00\n", 1, time.Time{}), entry("\x00\x00", "", 1, time.Time{}), entry("\xff\xfe", "\xff", cutAt(0), time.Time{})},
		"16 MiB random":    {entry("a", "1", 1, time.Time{}), entry("big", string(big), 2, soon), entry("c", "3", 3, time.Time{})},
		"16 MiB of zeroes": {entry("big", string(make([]byte, storage.MaxValueBytes)), 2, time.Time{})},
		"many":             records(20_000),
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVault(t)
			s := backup(t, v, 0, es, "t")[0]
			require.Equal(t, uint64(len(es)), s.Records)
			sameEntries(t, es, readAll(t, v, "t", s.Name))
			require.Equal(t, 1, clean(t, v).Checked)
			_, err := v.BuildStore(t.Context(), "t", s.Name, filepath.Join(t.TempDir(), "store"), nil)
			require.NoError(t, err)
		})
	}
}

func TestRoundTripOfAnything(t *testing.T) {
	v := newTestVault(t)
	minute := 0
	rapid.Check(t, func(rt *rapid.T) {
		minute++
		seed := rapid.Uint64().Draw(rt, "seed")
		es := randomEntries(rand.New(rand.NewPCG(seed, 0)), rapid.IntRange(0, 50).Draw(rt, "n"), 1+rapid.IntRange(0, 60_000).Draw(rt, "size"))
		s := backup(t, v, minute, es, "t")[0]
		sameEntries(t, es, readAll(t, v, "t", s.Name))
	})
	clean(t, v)
}

func TestSeveralFiles(t *testing.T) {
	v := newTestVault(t)
	v.partSize = 1 << 20
	es := randomEntries(rand.New(rand.NewPCG(3, 4)), 500, 20_000)
	s := backup(t, v, 0, es, "t")[0]
	m, err := v.Manifest("t", s.Name)
	require.NoError(t, err)
	require.Greater(t, len(m.Files), 3)
	sameEntries(t, es, readAll(t, v, "t", s.Name))
	clean(t, v)
}

func TestProgress(t *testing.T) {
	v := newTestVault(t)
	es := records(40_000)
	want := ledgerOf(t, es)
	var done []int64
	note := func(d, total int64) {
		require.Equal(t, int64(want.Bytes), total)
		done = append(done, d)
	}
	s, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", runAt(0), cutAt(0), want}, Source{Entries: seq(es)}, WriteOptions{Progress: note, Pace: Pace(NewLimiter(1 << 40))})
	require.NoError(t, err)
	require.Greater(t, len(done), 1)
	require.IsIncreasing(t, done)
	require.Equal(t, int64(want.Bytes), done[len(done)-1])
	v.build, done = fakeBuild, nil
	_, err = v.BuildStore(t.Context(), "t", s.Name, filepath.Join(t.TempDir(), "s"), note)
	require.NoError(t, err)
	require.Equal(t, int64(want.Bytes), done[len(done)-1])
}

func TestLimiterGivesUpWithTheContext(t *testing.T) {
	v := newTestVault(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	es := randomEntries(rand.New(rand.NewPCG(3, 4)), 500, 20_000)
	_, err := v.WriteSnapshot(ctx, SnapshotSpec{"t", runAt(0), cutAt(0), ledgerOf(t, es)}, Source{Entries: seq(es)}, WriteOptions{Pace: Pace(NewLimiter(1000))})
	require.Error(t, err)
	require.Empty(t, temps(t, disk.OS, v.Dir()))
	require.Empty(t, listed(t, v))
	require.Nil(t, NewLimiter(0))
}

// No good-looking backup of bad data, and nothing left of a refused one.
func TestWriteRefuses(t *testing.T) {
	good := records(50)
	flipped := append([]storage.Entry{}, good...)
	flipped[20].Envelope = bytes.Clone(flipped[20].Envelope)
	flipped[20].Envelope[12] ^= 4
	late := append(append([]storage.Entry{}, good...), entry("z", "1", cutAt(0)+1, time.Time{}))
	swapped := append([]storage.Entry{}, good...)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	twice := append(append([]storage.Entry{}, good...), good[49])
	for name, es := range map[string][]storage.Entry{
		"damaged record": flipped, "missing record": good[:49], "no records": nil,
		"newer than the cut": late, "out of order": swapped, "twice": twice,
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVault(t)
			_, err := v.WriteSnapshot(t.Context(), SnapshotSpec{"t", runAt(0), cutAt(0), ledgerOf(t, good)}, Source{Entries: seq(es)}, WriteOptions{})
			var d *storage.DamageError
			require.ErrorAs(t, err, &d)
			require.Equal(t, "t", d.Table)
			require.Empty(t, listed(t, v))
			require.Empty(t, temps(t, disk.OS, v.Dir()))
			clean(t, v)
		})
	}
}

func TestWriteStops(t *testing.T) {
	v := newTestVault(t)
	es := records(10)
	spec := SnapshotSpec{"t", runAt(0), cutAt(0), ledgerOf(t, es)}
	boom := errors.New("boom")
	_, err := v.WriteSnapshot(t.Context(), spec, Source{Entries: func(yield func(storage.Entry, error) bool) {
		_ = yield(es[0], nil) && yield(storage.Entry{}, boom)
	}}, WriteOptions{})
	require.ErrorIs(t, err, boom)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = v.WriteSnapshot(ctx, spec, Source{Entries: func(yield func(storage.Entry, error) bool) {
		for i, e := range es {
			if i == 5 {
				cancel()
			}
			if !yield(e, nil) {
				return
			}
		}
	}}, WriteOptions{})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, temps(t, disk.OS, v.Dir()))
	require.Empty(t, listed(t, v))

	backup(t, v, 0, es, "t")
	_, err = v.WriteSnapshot(t.Context(), spec, Source{Entries: seq(es)}, WriteOptions{})
	require.ErrorIs(t, err, ErrExists)
	for _, bad := range []SnapshotSpec{
		{"../t", runAt(0), cutAt(0), storage.Ledger{}}, {"t", "x/y", cutAt(0), storage.Ledger{}}, {"t", runAt(0), 0, storage.Ledger{}},
		{"t", runAt(0), cutAt(0), storage.Ledger{Version: cutAt(1)}},
	} {
		_, err = v.WriteSnapshot(t.Context(), bad, Source{Entries: seq(nil)}, WriteOptions{})
		require.Error(t, err)
	}
}

// Everyone may stop reading early, and memory is theirs.
func TestEntriesStopsEarly(t *testing.T) {
	v := newTestVault(t)
	s := backup(t, v, 0, records(1000), "t")[0]
	_, entries, err := v.Entries(t.Context(), "t", s.Name)
	require.NoError(t, err)
	for e, err := range entries {
		require.NoError(t, err)
		require.Equal(t, "key-000000", string(e.Key))
		break
	}
	require.Empty(t, v.held)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, entries, err = v.Entries(ctx, "t", s.Name)
	require.NoError(t, err)
	for _, err := range entries {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, _, err = v.Entries(t.Context(), "t", strings.Replace(s.Name, "2026", "2027", 1))
	require.ErrorIs(t, err, ErrNoSnapshot)
	require.ErrorContains(t, err, s.Name)
}
