package alarm

import (
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// stales counts the announcements so far.
func stales(h *harness.Harness) (n int) {
	for _, e := range h.Events() {
		if e.Type == app.BackupStale {
			n++
		}
	}
	return n
}

// With the backup actor hung, backup_stale comes on time, once, then once a day, and a
// restart neither forgets nor repeats it.
func TestStaleIsAnnouncedWithoutTheBackupActor(t *testing.T) {
	h := calm(t, harness.Schedule("@every 24h"))
	run := h.Backup()
	hung := h.BackupProbe().On(harness.Scheduled).Drop() // also over the restart
	h.Advance(47*time.Hour + 58*time.Minute)
	require.Zero(t, stales(h))
	closely(t, h, 30*time.Second, "it is announced", func() bool { return stales(h) == 1 })
	told, err := app.Decode[app.Staleness](h.Expect(harness.Event(app.BackupStale)))
	require.NoError(t, err)
	require.Equal(t, run.StartedAt.UTC(), told.LastBackupAt.UTC())
	require.InDelta(t, float64((48 * time.Hour).Milliseconds()), told.AgeMS, float64(time.Hour.Milliseconds()))

	h.Advance(20 * time.Hour)
	h.Restart()
	h.Advance(2 * time.Hour) // its first look is over, and the day is not
	require.NoError(t, h.Clock.BlockUntilContext(h.Context(), 1))
	require.Equal(t, 1, stales(h))
	closely(t, h, 10*time.Minute, "a day later again", func() bool { return stales(h) == 2 })
	require.GreaterOrEqual(t, h.Clock.Now().Sub(*run.StartedAt), 72*time.Hour)

	hung.Lift()
	h.Backup()
	until(t, h, 30*time.Minute, "two more days", func() bool { return stales(h) == 3 || h.Clock.Now().Sub(*run.StartedAt) > 110*time.Hour })
	require.Equal(t, 2, stales(h), "a backup ends it")
}

// A hub that starts with an old last backup says so within a minute, unless the overdue
// backup comes first.
func TestStaleAtTheStart(t *testing.T) {
	h := calm(t)
	h.Expect(harness.BackupComplete(h.Backup().ID)) // the next one that is expected is another
	h.Stop()
	h.Clock.Advance(60 * time.Hour)
	h.Start()
	began := h.Clock.Now()
	closely(t, h, 5*time.Second, "it is announced", func() bool { return stales(h) == 1 })
	require.Less(t, h.Clock.Now().Sub(began), 10*time.Minute)

	h.Stop()
	h.Reconfigure(func(c *app.Config) { c.Schedule = "@every 24h" })
	h.Clock.Advance(60 * time.Hour)
	h.Start()
	require.NoError(t, h.Clock.BlockUntilContext(h.Context(), 1))
	h.Advance(3 * time.Second)
	h.Expect(harness.BackupComplete(""))
	h.Advance(time.Minute)
	h.Advance(time.Minute)
	eventually(t, "it is well", func() bool { return !health(t, h).StaleBackup })
	require.Equal(t, 1, stales(h))
}

// A hub that is new has no stale backup to tell of, until it is two days old.
func TestANewHubIsNotStale(t *testing.T) {
	h := calm(t)
	h.Advance(47 * time.Hour)
	require.Zero(t, stales(h))
	until(t, h, time.Minute, "it is announced", func() bool { return stales(h) == 1 })
	told, err := app.Decode[app.Staleness](h.Expect(harness.Event(app.BackupStale)))
	require.NoError(t, err)
	require.Nil(t, told.LastBackupAt)
}
