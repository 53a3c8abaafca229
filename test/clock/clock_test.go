// Package clock sets the clock of hubs: back and forth by hours while they run and over
// their restarts, far into the future and back, and over the nights in which daylight
// saving begins and ends.
//
//	go test ./test/clock -args -lives 500        # a long run
//	go test ./test/clock -args -seed 7 -lives 1  # a life again
package clock

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

var (
	lives = flag.Int("lives", 1, "how many hubs live through random settings of the clock")
	seed  = flag.Uint64("seed", 0, "seed of the first; 0 takes one from the clock")
)

// wall is a clock that can be set, which no timer notices, as with a real one.
type wall struct {
	*clockwork.FakeClock
	off atomic.Int64
}

func newWall(at time.Time) *wall { return &wall{FakeClock: clockwork.NewFakeClockAt(at)} }

func (w *wall) Now() time.Time                  { return w.FakeClock.Now().Add(time.Duration(w.off.Load())) }
func (w *wall) Since(t time.Time) time.Duration { return w.Now().Sub(t) }
func (w *wall) Until(t time.Time) time.Duration { return t.Sub(w.Now()) }
func (w *wall) set(d time.Duration)             { w.off.Add(int64(d)) }

func hubOn(t *testing.T, w *wall, opts ...harness.Option) *harness.Harness {
	return harness.New(t, append([]harness.Option{harness.Parallel(), harness.Tables("a"), harness.Configure(func(c *app.Config) { c.Wall = w })}, opts...)...)
}

func put(t *testing.T, h *harness.Harness, key string) app.Version {
	t.Helper()
	v, err := h.Table("a").Put(t.Context(), []byte(key), []byte(key))
	require.NoError(t, err)
	return v
}

// until lets time pass, a little at a time, until the condition holds; with it, what the
// hub does about it.
func until(t *testing.T, w *wall, step, most time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for passed := time.Duration(0); !holds(); {
		if passed < most {
			w.Advance(step)
			passed += step
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not come", what)
		}
	}
}

func runs(h *harness.Harness, trigger string) (all []app.Run) {
	for _, e := range h.Events() {
		if run, err := app.Decode[app.Run](e); err == nil && e.Type == app.BackupComplete && run.Trigger == trigger {
			all = append(all, run)
		}
	}
	return all
}

func health(t *testing.T, h *harness.Harness) string {
	return fmt.Sprint(h.Hub().Health(t.Context()).Conditions)
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// The clock is set forward: a scheduled backup that is due by it now comes within a minute.
func TestSetForwardOverASchedule(t *testing.T) {
	t.Parallel()
	w := newWall(noon)
	h := hubOn(t, w, harness.Schedule("CRON_TZ=UTC 0 20 * * *"))
	put(t, h, "k")
	w.set(9 * time.Hour)
	until(t, w, 10*time.Second, 2*time.Minute, "the backup", func() bool { return len(runs(h, "schedule")) == 1 })
	next, ok := h.Hub().NextBackup()
	require.True(t, ok)
	require.Equal(t, time.Date(2026, 6, 2, 20, 0, 0, 0, time.UTC), next.UTC())
}

// It is set back: the backup waits for its time by the clock, and what was made is not
// made twice.
func TestSetBackOverASchedule(t *testing.T) {
	t.Parallel()
	w := newWall(noon)
	h := hubOn(t, w, harness.Schedule("CRON_TZ=UTC 0 20 * * *"))
	put(t, h, "k")
	until(t, w, 10*time.Minute, 9*time.Hour, "the backup", func() bool { return len(runs(h, "schedule")) == 1 })
	w.set(-3 * time.Hour) // it is before eight again
	for range 2 {
		until(t, w, 20*time.Minute, 4*time.Hour, "the time", func() bool { return w.Now().Hour() >= 21 })
		require.Len(t, runs(h, "schedule"), 1)
		h.Restart()
	}
	until(t, w, 10*time.Minute, 24*time.Hour, "the next backup", func() bool { return len(runs(h, "schedule")) == 2 })
	require.GreaterOrEqual(t, w.Now(), time.Date(2026, 6, 2, 20, 0, 0, 0, time.UTC))
}

// A hub is started with a clock that is years ahead, makes a backup, and the clock is put
// right. Nothing waits for those years, nothing is lost, and health says what is odd.
func TestTheYear2040AndBack(t *testing.T) {
	t.Parallel()
	const years = 14 * 365 * 24 * time.Hour
	w := newWall(noon)
	h := hubOn(t, w, harness.Schedule("CRON_TZ=UTC 0 20 * * *"), harness.Configure(func(c *app.Config) { c.Keep = 2 }))
	before := put(t, h, "before")
	_, err := h.Table("a").PutUntil(t.Context(), []byte("session"), []byte("x"), noon.Add(time.Hour))
	require.NoError(t, err)
	h.Backup()
	held := put(t, h, "held")

	h.Stop()
	w.set(years)
	h.Start()
	until(t, w, time.Second, time.Minute, "the overdue backup", func() bool { return len(runs(h, "schedule")) == 1 })
	require.Empty(t, h.Get("a", "session"), "it is past its time, by the only clock there is")
	then := put(t, h, "in 2040")
	require.Greater(t, then, held)
	require.Equal(t, 2040, then.Time().Year())

	for _, stop := range []bool{true, false} {
		if stop {
			h.Stop()
			w.set(-years)
			h.Start()
		}
		v := put(t, h, fmt.Sprint("back ", stop))
		require.Greater(t, v, then, "versions do not go back")
		then = v
		require.Contains(t, health(t, h), "the hub's clock is ahead of the machine's, which was set back, by ")
		next, ok := h.Hub().NextBackup()
		require.True(t, ok)
		require.Less(t, next.Sub(w.Now()), 48*time.Hour)
	}
	got := h.Hub().Health(t.Context())
	require.True(t, got.StaleBackup)
	require.Contains(t, fmt.Sprint(got.Conditions), "the last backup is dated 2040-05-28T12:00:")
	until(t, w, 10*time.Minute, 48*time.Hour, "the next backup", func() bool { return len(runs(h, "schedule")) == 2 })
	got = h.Hub().Health(t.Context())
	require.False(t, got.StaleBackup)
	require.Equal(t, 2026, got.LastBackupAt.Year())
	require.Contains(t, health(t, h), "the hub's clock is ahead")

	list, err := h.Hub().List(t.Context(), "a")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list.Snapshots), 2)
	report, err := h.Hub().Drill(t.Context())
	require.NoError(t, err, "%v", report.Problems)
	_, err = h.Hub().Verify(t.Context())
	require.NoError(t, err)
	for key, at := range map[string]app.Version{"before": before, "held": held, "in 2040": then} {
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: fmt.Sprint(uint64(at))})
		require.NoError(t, err, key)
		require.Equal(t, key, h.Get("a", key))
	}
}

// Over each night in which the clocks are changed a daily backup is made once a day.
func TestADailyBackupOverDaylightSaving(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("this machine knows no time zones: %v", err)
	}
	for change, want := range map[string]string{"2026-03-29": "03:00 CEST", "2026-10-25": "02:30 CEST"} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			day, err := time.ParseInLocation("2006-01-02", change, berlin)
			require.NoError(t, err)
			w := newWall(day.Add(-36 * time.Hour))
			h := hubOn(t, w, harness.Schedule("CRON_TZ=Europe/Berlin 30 2 * * *"))
			var got []string
			for n := 1; n <= 4; n++ {
				put(t, h, fmt.Sprint(n))
				next, ok := h.Hub().NextBackup()
				require.True(t, ok)
				until(t, w, 5*time.Minute, next.Sub(w.Now())+10*time.Minute, "the backup", func() bool { return len(runs(h, "schedule")) == n })
				at := runs(h, "schedule")[n-1].StartedAt.In(berlin)
				got = append(got, at.Format("02 15"))
				if at.Format("2006-01-02") == change {
					due, err := time.ParseInLocation("2006-01-02 15:04 MST", change+" "+want, berlin)
					require.NoError(t, err)
					require.WithinDuration(t, due, at, 20*time.Minute)
				}
				if n == 2 {
					h.Restart()
				}
			}
			require.Len(t, got, 4)
			for i := range got {
				require.Equal(t, day.AddDate(0, 0, i-1).Format("02"), got[i][:2], "%v", got)
			}
		})
	}
}

// Hubs live through clocks that are set at random, by seconds to half a day, while they
// run and while they do not. Versions rise, each moment can be gone back to, and no
// backup is late by more than the settings explain.
func TestTheClockIsSetAtRandom(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	var sum struct{ settings, writes, backups, lives int }
	for i := range *lives {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			w := newWall(noon)
			h := hubOn(t, w, harness.Schedule("@every 6h"), harness.Configure(func(c *app.Config) { c.Keep = 100 }))
			var last app.Version
			moments := map[string]app.Version{}
			for step := range 12 {
				d := time.Duration(rng.Int64N(int64(24*time.Hour))) - 12*time.Hour
				if rng.IntN(2) == 0 {
					d /= 1000
				}
				down := rng.IntN(4) == 0
				if down {
					h.Stop()
				}
				w.set(d)
				if down {
					h.Start()
				}
				sum.settings++
				key := fmt.Sprint("k", step)
				v := put(t, h, key)
				require.Greater(t, v, last, "versions rise")
				last, moments[key] = v, v
				sum.writes++
				if rng.IntN(4) == 0 {
					run, err := h.Hub().Backup(t.Context())
					require.NoError(t, err)
					require.Greater(t, run.Cut, last)
					last = run.Cut
				}
				w.Advance(time.Duration(rng.Int64N(int64(3 * time.Hour))))
				next, ok := h.Hub().NextBackup()
				require.True(t, ok)
				require.Less(t, next.Sub(w.Now()), 25*time.Hour, "a step back by half a day at most, and one period")
			}
			until(t, w, 10*time.Minute, 48*time.Hour, "a backup", func() bool { return len(runs(h, "schedule")) > 0 })
			list, err := h.Hub().List(t.Context(), "a")
			require.NoError(t, err)
			for i := 1; i < len(list.Snapshots); i++ {
				require.Less(t, list.Snapshots[i].Cut, list.Snapshots[i-1].Cut, "newest first")
			}
			for key, v := range moments {
				past, err := h.Hub().TableAt(t.Context(), "a", fmt.Sprint(uint64(v)))
				require.NoError(t, err, key)
				_, err = past.Get(t.Context(), []byte(key))
				require.NoError(t, err)
				_, err = past.Get(t.Context(), []byte("k99"))
				require.True(t, errors.Is(err, app.ErrNotFound))
				past.Close()
			}
			_, err = h.Hub().Verify(t.Context())
			require.NoError(t, err)
			sum.backups += len(runs(h, "schedule")) + len(runs(h, "api"))
			sum.lives++
		})
		if !ok {
			break
		}
	}
	t.Logf("seed %d: %d lives, %d settings of the clock, %d writes and %d backups: versions rose, every moment was there", first, sum.lives, sum.settings, sum.writes, sum.backups)
}
