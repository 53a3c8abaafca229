package app_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

// What happens between Events and the loop is not missed, and what happened before is
// there for those who ask for it.
func TestEventsListenAtOnceAndReplay(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	_, err := h.Backup(ctx, "task_queue")
	require.NoError(t, err)
	fresh := h.Events(ctx, time.Time{})
	_, err = h.Verify(ctx)
	require.NoError(t, err)
	for e, err := range fresh {
		require.NoError(t, err)
		if e.Type == app.BackupStarted || e.Type == app.BackupComplete {
			continue // they were still on their way
		}
		require.Equal(t, app.VerifyComplete, e.Type)
		report, err := app.Decode[app.Report](e)
		require.NoError(t, err)
		require.Equal(t, 1, report.Checked)
		_, err = app.Decode[app.Run](e)
		require.ErrorIs(t, err, app.ErrInvalid)
		break
	}
	var all []app.EventType
	for e, err := range h.Events(ctx, time.Now().Add(-time.Hour)) {
		require.NoError(t, err)
		if all = append(all, e.Type); len(all) == 3 {
			break
		}
	}
	require.Equal(t, []app.EventType{app.BackupStarted, app.BackupComplete, app.VerifyComplete}, all)
}

// Whichever room an embedder's error comes from, a closed hub is one error.
func TestEventsEnd(t *testing.T) {
	ctx := context.Background()
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	over, cancel := context.WithCancel(ctx)
	cancelled := h.Events(over, time.Time{})
	cancel()
	for range cancelled {
		require.Fail(t, "a loop whose context has ended goes round no more")
	}
	left := h.Events(ctx, time.Time{})
	shut(t, h)
	for _, events := range []func(func(app.Event, error) bool){left, h.Events(ctx, time.Time{})} {
		rounds := 0
		for _, err := range events {
			require.ErrorIs(t, err, app.ErrClosed)
			require.ErrorIs(t, err, bus.ErrClosed)
			rounds++
		}
		require.Equal(t, 1, rounds)
	}
	cfg := quiet(filepath.Join(t.TempDir(), "offline"))
	cfg.Offline = true
	offline := open(t, cfg)
	for _, err := range offline.Events(ctx, time.Time{}) {
		require.ErrorIs(t, err, app.ErrInvalid)
	}
	_, err := offline.NATS()
	require.ErrorIs(t, err, app.ErrInvalid)
	_, err = h.NATS()
	require.ErrorIs(t, err, app.ErrClosed)
	_, scheduled := offline.NextBackup()
	require.False(t, scheduled)
}

// A drill and a verify tell the people who wait for them how far they are.
func TestDrillAndVerifyTellTheirProgress(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	_, err := table(t, h, "task_queue").Put(ctx, []byte("key"), []byte("value"))
	require.NoError(t, err)
	_, err = h.Backup(ctx, "task_queue")
	require.NoError(t, err)
	viewer, err := bus.Dial(ctx, h.NATSURL(), h.Credentials().Viewer, bus.Viewer)
	require.NoError(t, err)
	defer viewer.Close()
	progress, err := viewer.Progress(ctx)
	require.NoError(t, err)
	_, err = h.Drill(ctx)
	require.NoError(t, err)
	_, err = h.Verify(ctx)
	require.NoError(t, err)
	for _, stage := range []string{"drill", "verify"} {
		p, err := progress.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, bus.Progress{Table: "task_queue", Stage: stage, Done: 8, Total: 8}, p)
	}
}
