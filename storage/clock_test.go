package storage

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

type handClock struct {
	mu sync.Mutex
	at time.Time
}

func (h *handClock) now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.at }

func (h *handClock) add(d time.Duration) { h.mu.Lock(); defer h.mu.Unlock(); h.at = h.at.Add(d) }

func openClock(t *testing.T, path string, wall func() time.Time) *Clock {
	t.Helper()
	c, err := OpenClock(disk.OS, path, wall)
	require.NoError(t, err)
	return c
}

func next(t *testing.T, c *Clock) Version {
	t.Helper()
	v, err := c.Next(c.Cut())
	require.NoError(t, err)
	return v
}

func TestVersionsAreTimes(t *testing.T) {
	at := time.Date(2026, 11, 22, 21, 4, 5, 123_000_000, time.UTC)
	require.Equal(t, at, VersionAt(at).Time())
	require.Less(t, VersionAt(at), VersionAt(at.Add(time.Millisecond)))
	require.Less(t, VersionAt(at), Version(1<<53))
	require.Zero(t, VersionAt(time.Unix(-1, 0)))
}

// Versions rise over restarts, kills and jumps of the wall clock in both directions.
func TestVersionsRiseWhateverHappens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	wall := &handClock{at: time.Now()}
	var last Version
	for i, jump := range []time.Duration{0, time.Hour, -2 * time.Hour, 0, -time.Second, 3 * time.Hour, -24 * time.Hour} {
		wall.add(jump)
		c := openClock(t, path, wall.now)
		for range 5000 {
			v := next(t, c)
			require.Greater(t, v, last)
			last = v
		}
		if i%2 == 0 {
			require.NoError(t, c.Close())
		} else { // a kill: the mark stays as it is on the disk
			mark, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.NoError(t, os.WriteFile(path, mark, 0o600))
		}
	}
}

// Kill after kill does not push the clock ever further ahead of the wall clock.
func TestKillsDoNotAddUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	wall := &handClock{at: time.Now()}
	var last Version
	for range 100 {
		c := openClock(t, path, wall.now)
		last = next(t, c)
		mark, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, os.WriteFile(path, mark, 0o600))
		wall.add(200 * time.Millisecond)
	}
	require.Less(t, last.Time().Sub(wall.now()), 3*time.Second)
}

func TestCutIsOneStep(t *testing.T) {
	c := openClock(t, filepath.Join(t.TempDir(), "clock"), time.Now)
	defer func() { require.NoError(t, c.Close()) }()
	before := next(t, c)
	known := c.Cut()
	cut, err := c.Publish()
	require.NoError(t, err)
	require.Greater(t, cut, before)
	_, err = c.Next(known)
	require.ErrorIs(t, err, ErrCutPending)
	after, err := c.Next(cut)
	require.NoError(t, err)
	require.Greater(t, after, cut)
}

func TestAClockThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clock")
	require.NoError(t, os.WriteFile(path, []byte("not a mark"), 0o600))
	_, err := OpenClock(disk.OS, path, time.Now)
	require.ErrorIs(t, err, ErrDamaged)

	c := openClock(t, filepath.Join(dir, "gone", "clock"), time.Now)
	_, err = c.Next(0)
	require.Error(t, err, "no version is issued that is not below a durable mark")
	require.True(t, errors.Is(err, os.ErrNotExist))
	require.Error(t, c.Close())
}
