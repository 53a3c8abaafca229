package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func timesOf(t *testing.T, schedule string, from, to time.Time) (times []time.Time) {
	s, err := Config{Schedule: schedule}.schedule()
	require.NoError(t, err)
	for at := s.Next(from); at.Before(to); at = s.Next(at) {
		require.True(t, len(times) == 0 || at.After(times[len(times)-1]))
		times = append(times, at)
	}
	return times
}

func place(t *testing.T, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("this machine knows no time zones: %v", err)
	}
	return loc
}

// A time of day comes once a day, whatever the clock does in that night.
func TestSchedulesOverChangesOfTheClock(t *testing.T) {
	for _, c := range []struct{ zone, change, schedule, want string }{
		{"Europe/Berlin", "2026-03-29", "30 2 * * *", "03:00 CEST"}, // left out: at the change
		{"Europe/Berlin", "2026-10-25", "30 2 * * *", "02:30 CEST"}, // twice: the first
		{"Europe/Berlin", "2026-03-29", "0 3 * * *", "03:00 CEST"},  // the first that there is
		{"Europe/Berlin", "2026-10-25", "0 3 * * *", "03:00 CET"},   // after it
		{"Europe/Berlin", "2026-03-29", "@daily", "00:00 CET"},      // before it
		{"America/New_York", "2026-11-01", "15 1 * * *", "01:15 EDT"},
		{"America/New_York", "2026-03-08", "0 2 * * *", "03:00 EDT"},
		{"Africa/Cairo", "2026-04-24", "@daily", "01:00 EEST"}, // midnight is left out
		{"Africa/Cairo", "2026-10-29", "30 23 * * *", "23:30 EEST"},
		{"Australia/Lord_Howe", "2026-04-05", "45 1 * * *", "01:45 +11"}, // by half an hour
	} {
		t.Run(c.zone+" "+c.change+" "+c.schedule, func(t *testing.T) {
			loc := place(t, c.zone)
			day, err := time.ParseInLocation("2006-01-02", c.change, loc)
			require.NoError(t, err)
			for _, schedule := range []string{c.schedule, "CRON_TZ=" + c.zone + " " + c.schedule} {
				from := day.AddDate(0, 0, -3).Add(-time.Second)
				if schedule != c.schedule {
					from = from.UTC()
				}
				times := timesOf(t, schedule, from, day.AddDate(0, 0, 4))
				days := map[string]int{}
				for _, at := range times {
					at = at.In(loc)
					days[at.Format("2006-01-02")]++
					if at.Format("2006-01-02") == c.change {
						require.Equal(t, c.want, at.Format("15:04 MST"))
					}
				}
				require.Len(t, days, 7, "%v", times)
				require.Len(t, times, 7, "%v", times)
			}
		})
	}
}

// A schedule for every hour goes by hours that pass, and one for several of a night has
// all of them.
func TestSchedulesOfManyTimes(t *testing.T) {
	berlin := place(t, "Europe/Berlin")
	for day, hours := range map[string]int{"2026-03-29": 23, "2026-10-25": 25, "2026-06-01": 24} {
		from, err := time.ParseInLocation("2006-01-02", day, berlin)
		require.NoError(t, err)
		times := timesOf(t, "30 * * * *", from, from.AddDate(0, 0, 1))
		require.Len(t, times, hours, day)
		for i, at := range times {
			require.Equal(t, from.Add(30*time.Minute+time.Duration(i)*time.Hour).Unix(), at.Unix())
		}
		require.Len(t, timesOf(t, "@every 10m", from, from.AddDate(0, 0, 1)), hours*6-1)
	}
	spring := time.Date(2026, 3, 29, 0, 0, 0, 0, berlin)
	var got []string
	for _, at := range timesOf(t, "0,30 1-3 * * *", spring, spring.AddDate(0, 0, 1)) {
		got = append(got, at.Format("15:04"))
	}
	require.Equal(t, []string{"01:00", "01:30", "03:00", "03:30"}, got, "two that are left out come at one moment, which is a time as well")
	autumn := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)
	got = nil
	for _, at := range timesOf(t, "0,30 1-3 * * *", autumn, autumn.AddDate(0, 0, 1)) {
		got = append(got, at.Format("15:04 MST"))
	}
	require.Equal(t, []string{"01:00 CEST", "01:30 CEST", "02:00 CEST", "02:30 CEST", "03:00 CET", "03:30 CET"}, got)
}

// Whatever the last run was, also one in the hour that comes twice, the next one is later,
// and no day is without.
func TestNoDayIsWithoutABackup(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "UTC"} {
		loc := place(t, zone)
		s, err := Config{Schedule: "17 2 * * *"}.schedule()
		require.NoError(t, err)
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, loc); at.Year() < 2027; at = at.Add(7 * time.Minute) {
			next := s.Next(at)
			require.True(t, next.After(at), "%v: %v", at, next)
			require.LessOrEqual(t, next.Sub(at), 25*time.Hour+time.Second, "%v: %v", at, next)
		}
	}
}

func TestAScheduleThatNeverComes(t *testing.T) {
	_, err := Config{Schedule: "0 0 30 2 *"}.schedule()
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "no such day ever comes")
	_, err = Config{Schedule: "0 0 29 2 *"}.schedule()
	require.NoError(t, err)
}
