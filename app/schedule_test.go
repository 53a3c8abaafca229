package app_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

// TestTheScheduleSurvivesRestarts lives through three days of a hub that is
// restarted often: a restart neither resets the schedule nor skips what is overdue.
func TestTheScheduleSurvivesRestarts(t *testing.T) {
	ctx := context.Background()
	wall := clockwork.NewFakeClockAt(time.Now())
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Wall, cfg.Schedule = []string{"a"}, wall, "@every 24h"
	var next func() app.Event
	start := func() *app.Hub {
		h := open(t, cfg)
		next = follow(t, h)
		require.NoError(t, wall.BlockUntilContext(ctx, 1)) // the schedule's timer
		return h
	}
	runs := func(h *app.Hub) int {
		listing, err := h.List(ctx)
		require.NoError(t, err)
		return len(listing.Snapshots)
	}

	h := start()
	for range 3 { // restarted every eight hours
		require.Zero(t, runs(h), "nothing is due yet")
		shut(t, h)
		wall.Advance(8 * time.Hour)
		h = start()
	}
	at, ok := h.NextBackup()
	require.True(t, ok)
	require.WithinDuration(t, wall.Now(), at, 5*time.Second, "it is due")
	wall.Advance(5 * time.Second)
	run, err := app.Decode[app.Run](expect(t, next, app.BackupComplete))
	require.NoError(t, err)
	require.Equal(t, actors.TriggerSchedule, run.Trigger)
	require.Equal(t, 1, runs(h))

	require.NoError(t, wall.BlockUntilContext(ctx, 1))
	wall.Advance(24 * time.Hour) // the next one without a restart
	expect(t, next, app.BackupComplete)
	require.Equal(t, 2, runs(h))
	shut(t, h)
	wall.Advance(50 * time.Hour) // a weekend switched off
	h = start()
	require.True(t, h.Health(ctx).StaleBackup)
	wall.Advance(5 * time.Second)
	expect(t, next, app.BackupComplete)
	require.False(t, h.Health(ctx).StaleBackup)
}

// TestHubsShareAnActorSystem runs two hubs on an actor system that the embedder brought.
func TestHubsShareAnActorSystem(t *testing.T) {
	system := actors.NewSystem(slog.New(slog.DiscardHandler))
	var hubs []*app.Hub
	for _, name := range []string{"one", "two"} {
		cfg := quiet(filepath.Join(t.TempDir(), name))
		cfg.Name, cfg.System = name, system
		hubs = append(hubs, open(t, cfg))
	}
	_, err := table(t, hubs[0], "task_queue").Put(context.Background(), []byte("k"), []byte("one"))
	require.NoError(t, err)
	_, err = table(t, hubs[1], "task_queue").Get(context.Background(), []byte("k"))
	require.ErrorIs(t, err, app.ErrNotFound)
	cfg := quiet(filepath.Join(t.TempDir(), "again"))
	cfg.Name, cfg.System = "one", system
	_, err = app.Open(context.Background(), cfg)
	require.ErrorContains(t, err, "actor system")
}
