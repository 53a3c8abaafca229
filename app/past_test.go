package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

func moment(v app.Version) string { return strconv.FormatUint(uint64(v), 10) }

// scratch counts the stores of the past that are on the disk.
func scratch(t *testing.T, data string) int {
	entries, err := os.ReadDir(filepath.Join(data, "scratch"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return len(entries)
}

// reopened is a hub whose tables know nothing of the versions before, so that only
// the vault does: six puts of one key, each by itself.
func reopened(t *testing.T, cfg app.Config) (*app.Hub, []app.Version) {
	cfg.Tables, cfg.Offline = []string{"jobs"}, true
	h := open(t, cfg)
	var versions []app.Version
	for i := range 6 {
		v, err := table(t, h, "jobs").Put(t.Context(), []byte("k"), fmt.Append(nil, i))
		require.NoError(t, err)
		versions = append(versions, v)
	}
	shut(t, h)
	return open(t, cfg), versions
}

func valueAt(t *testing.T, p *app.PastTable) string {
	rec, err := p.Get(t.Context(), []byte("k"))
	require.NoError(t, err)
	return string(rec.Value)
}

func TestAPastIsBuiltOnceAndForgotten(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Now())
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Wall = clock
	h, versions := reopened(t, cfg)
	defer shut(t, h)
	now, err := h.TableAt(t.Context(), "jobs", app.Latest)
	require.NoError(t, err)
	require.Equal(t, "5", valueAt(t, now))
	now.Close()
	require.Zero(t, scratch(t, cfg.Data), "the live table knows")

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p, err := h.TableAt(context.Background(), "jobs", moment(versions[1]))
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			rec, err := p.Get(context.Background(), []byte("k"))
			if err != nil || string(rec.Value) != "1" || p.Version() != versions[1] {
				t.Error(rec, err)
			}
		})
	}
	wg.Wait()
	between, err := h.TableAt(t.Context(), "jobs", moment(versions[2]-1))
	require.NoError(t, err)
	require.Equal(t, "1", valueAt(t, between))
	require.Equal(t, 1, scratch(t, cfg.Data), "all of them looked at one store")
	clock.Advance(time.Hour)
	require.Equal(t, "1", valueAt(t, between), "somebody looks at it")
	between.Close()
	between.Close()
	_, err = between.Get(t.Context(), []byte("k"))
	require.ErrorIs(t, err, app.ErrClosed)
	for _, err := range between.Scan(t.Context(), app.Range{}) {
		require.ErrorIs(t, err, app.ErrClosed)
	}
	clock.Advance(time.Hour)
	require.Eventually(t, func() bool { return scratch(t, cfg.Data) == 0 }, 10*time.Second, time.Millisecond)
}

func TestPastsAreFew(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	h, versions := reopened(t, cfg)
	at := func(i int) (*app.PastTable, error) { return h.TableAt(t.Context(), "jobs", moment(versions[i])) }
	var open []*app.PastTable
	for i := range 4 {
		p, err := at(i)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), valueAt(t, p))
		open = append(open, p)
	}
	_, err := at(4)
	require.ErrorIs(t, err, app.ErrOverloaded)
	open[2].Close()
	p, err := at(4)
	require.NoError(t, err)
	require.Equal(t, "4", valueAt(t, p))
	next := p.Scan(context.Background(), app.Range{})
	shut(t, h) // with views open
	require.Zero(t, scratch(t, cfg.Data))
	for _, err := range next {
		require.ErrorIs(t, err, app.ErrClosed)
	}
	_, err = at(0)
	require.ErrorIs(t, err, app.ErrClosed)
}

// What was not due yet at the time is there, and what was is not, whatever is due now.
func TestExpiryIsJudgedByThePast(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Now())
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline, cfg.Wall = []string{"jobs"}, true, clock
	h := open(t, cfg)
	jobs := table(t, h, "jobs")
	_, err := jobs.PutUntil(t.Context(), []byte("k"), []byte("v"), clock.Now().Add(time.Minute))
	require.NoError(t, err)
	before, after := clock.Now().Add(30*time.Second), clock.Now().Add(90*time.Second)
	clock.Advance(time.Hour)
	for range 2 { // from the live table, and from the vault
		for at, n := range map[time.Time]uint64{before: 1, after: 0} {
			p, err := h.TableAt(t.Context(), "jobs", at.UTC().Format(time.RFC3339Nano))
			require.NoError(t, err)
			require.WithinDuration(t, at, p.Time(), time.Millisecond)
			got, err := p.Count(t.Context())
			require.NoError(t, err)
			require.Equal(t, n, got, at)
			_, err = p.Get(t.Context(), []byte("k"))
			if n == 0 {
				require.ErrorIs(t, err, app.ErrNotFound)
			} else {
				require.NoError(t, err)
			}
			p.Close()
		}
		shut(t, h)
		h = open(t, cfg)
	}
}

func TestAMomentThatCannotBeLookedAt(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.LogInterval = -1 // no change log
	h, versions := reopened(t, cfg)
	_, err := h.TableAt(t.Context(), "jobs", moment(versions[0]))
	require.ErrorIs(t, err, app.ErrNotRestorable)
	require.ErrorContains(t, err, "no history of it")
	_, err = h.TableAt(t.Context(), "jobs", app.Latest)
	require.ErrorIs(t, err, app.ErrInvalid)
	_, err = h.Restore(t.Context(), app.RestoreRequest{Tables: []string{"jobs"}, At: app.Latest})
	require.ErrorIs(t, err, app.ErrInvalid, "and not an empty table")
	_, err = h.TableAt(t.Context(), "nosuch", app.Latest)
	require.ErrorIs(t, err, app.ErrUnknownTable)
	_, err = h.TableAt(t.Context(), "jobs", "soon")
	require.ErrorIs(t, err, app.ErrInvalid)
}

// A scan that fits into one piece leaves no cursor behind.
func TestManyScans(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline = []string{"jobs"}, true
	h := open(t, cfg)
	for range 100 {
		require.NoError(t, remote.Call(t.Context(), h, "records.scan", map[string]string{"table": "jobs", "at": "latest"}, nil))
		require.NoError(t, remote.Call(t.Context(), h, "records.scan", map[string]string{"table": "jobs"}, nil))
	}
	require.ErrorContains(t, remote.Call(t.Context(), h, "records.scan", map[string]string{"table": "jobs", "format": "csv"}, nil), "format")
}

// Where the hub keeps no change log, or that is behind, the newest snapshot is the latest
// that the vault has: what health says to a person, restore it --at latest, can be done.
func TestLatestIsASnapshotWhereTheLogIsNot(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline, cfg.LogInterval = []string{"jobs", "mail"}, true, -1
	h := open(t, cfg)
	defer shut(t, h)
	_, err := h.Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.ErrorIs(t, err, app.ErrInvalid)
	require.ErrorContains(t, err, "no snapshot and no change log")
	put := func(value string) {
		_, err := table(t, h, "jobs").Put(t.Context(), []byte("k"), []byte(value))
		require.NoError(t, err)
	}
	put("backed up")
	run, err := h.Backup(t.Context())
	require.NoError(t, err)
	put("later")
	past, err := h.TableAt(t.Context(), "jobs", app.Latest)
	require.NoError(t, err)
	require.Equal(t, "backed up", valueAt(t, past))
	past.Close()
	out, err := h.Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.NoError(t, err)
	require.Equal(t, run.Cut, out.Results[0].Version)
	require.EqualValues(t, 1, out.Results[0].LaterCommits)
}
