package alarm

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// What the keeper does with nobody there to ask for it.

// told counts the announcements of a type so far.
func told(h *harness.Harness, typ app.EventType) (n int) {
	for _, e := range h.Events() {
		if e.Type == typ {
			n++
		}
	}
	return n
}

// kept is a hub whose keeper is at work, at the default pace.
func kept(t *testing.T, opts ...harness.Option) *harness.Harness {
	return calm(t, append([]harness.Option{harness.Configure(func(c *app.Config) { c.DrillEvery = 0 })}, opts...)...)
}

// pass lets that much time pass in steps that are shorter than the keeper's rounds.
func pass(t *testing.T, h *harness.Harness, d time.Duration) {
	t.Helper()
	end := h.Clock.Now().Add(d)
	until(t, h, 3*time.Minute, "time passes", func() bool { return h.Clock.Now().After(end) })
}

func TestSnapshotsAreProvenByThemselves(t *testing.T) {
	h := kept(t)
	h.Put("a", "k", "v")
	first := h.Backup()
	until(t, h, 100*time.Millisecond, "it is proven", func() bool { return told(h, app.DrillComplete) == 1 })
	require.Less(t, h.Clock.Now().Sub(start), 10*time.Minute, "soon after the backup, not with the next round")
	report, err := app.Decode[app.DrillReport](h.Expect(harness.Event(app.DrillComplete)))
	require.NoError(t, err)
	require.Len(t, report.Proven, 1)
	require.Equal(t, first.Results[0].Snapshot, report.Proven[0].Snapshot)
	require.EqualValues(t, 1, report.Proven[0].Records)
	require.NotEmpty(t, report.Moments, "a random moment besides")
	require.NotNil(t, h.Hub().Health(t.Context()).Tables[0].LastProvenAt)

	h.Put("a", "k", "w")
	h.Backup()
	for n := 2; n <= 3; n++ { // the second time what is proven already: it may have rotted since
		proven := *h.Hub().Health(t.Context()).Tables[0].LastProvenAt
		until(t, h, 3*time.Minute, "the next proof", func() bool { return told(h, app.DrillComplete) == n })
		require.GreaterOrEqual(t, h.Hub().Health(t.Context()).Tables[0].LastProvenAt.Sub(proven), 21*time.Hour, "not more often than the pace says")
	}
}

// A snapshot that does not restore is told of once a day, not with every round.
func TestADrillThatFailsIsToldOnce(t *testing.T) {
	h := kept(t, harness.Configure(func(c *app.Config) { c.LogInterval = -1 }))
	h.Put("a", "k", "v")
	run := h.Backup()
	frames, err := filepath.Glob(filepath.Join(run.Results[0].Path, "*.frames"))
	require.NoError(t, err)
	require.Len(t, frames, 1)
	content, err := os.ReadFile(frames[0])
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(frames[0], content, 0o600))
	until(t, h, time.Second, "it is told", func() bool { return told(h, app.DrillFailed) == 1 })
	eventually(t, "health says so", func() bool {
		return slices.Contains(h.Hub().Health(t.Context()).Conditions, "the newest snapshot does not restore: a; run brock backup")
	})
	pass(t, h, 12*time.Hour)
	require.Equal(t, 1, told(h, app.DrillFailed))
	until(t, h, 3*time.Minute, "a day later again", func() bool { return told(h, app.DrillFailed) == 2 })

	h.Backup()
	until(t, h, time.Second, "the next snapshot is proven", func() bool { return told(h, app.DrillComplete) == 1 })
	eventually(t, "all is well", func() bool { return len(h.Hub().Health(t.Context()).Conditions) == 0 })
}

// Damage in records that nobody reads is found by the scrub, and heals.
func TestAScrubFindsWhatNobodyReads(t *testing.T) {
	const precious = "<a value that nobody reads>"
	h := calm(t, harness.Configure(func(c *app.Config) { c.ScrubEvery = 0 }))
	h.Put("a", "k", precious)
	h.Backup()
	h.Restart() // now it is in a file
	h.Damage("a", precious)
	h.Advance(23 * time.Hour)
	require.Zero(t, told(h, app.CorruptionDetected))
	until(t, h, time.Minute, "it is found", func() bool { return told(h, app.CorruptionDetected) == 1 })
	require.GreaterOrEqual(t, h.Clock.Now().Sub(start), 24*time.Hour)
	h.Expect(harness.CorruptionDetected("a"), harness.RecoveryComplete("a"))
	require.Equal(t, precious, h.Get("a", "k"))
}

// A scrub reads no faster than it may.
func TestAScrubIsThrottled(t *testing.T) {
	h := calm(t, harness.Configure(func(c *app.Config) { c.ScrubRate = 4 << 20 }))
	for i := range 4 {
		h.Put("a", string(rune('a'+i)), string(make([]byte, 1<<20)))
	}
	began := time.Now()
	report, err := h.Hub().Scrub(t.Context(), "a")
	require.NoError(t, err)
	require.GreaterOrEqual(t, report.Bytes, int64(4<<20))
	require.Greater(t, time.Since(began), 700*time.Millisecond, "the first mebibyte is free")
}

// A backup copies no faster than it may.
func TestABackupIsThrottled(t *testing.T) {
	h := calm(t, harness.Configure(func(c *app.Config) { c.CopyRate, c.LogInterval = 4<<20, -1 }))
	rng := rand.New(rand.NewChaCha8([32]byte{1})) // so that it does not shrink
	for i := range 4 {
		value := make([]byte, 1<<20)
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		h.Put("a", string(rune('a'+i)), string(value))
	}
	began := time.Now()
	h.Backup()
	require.Greater(t, time.Since(began), 700*time.Millisecond, "the first mebibyte is free")
}
