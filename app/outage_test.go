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

// TestNATSDownStopsNoBackup stops the server, backs up, starts it again, and gets
// every event, in order, once.
func TestNATSDownStopsNoBackup(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var server *bus.Server
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a", "b"}
	cfg.Hooks.Server = func(s *bus.Server) { server = s }
	h := open(t, cfg)
	next := follow(t, h)

	require.NoError(t, server.Stop(ctx))
	var want []string
	for range 3 {
		_, err := table(t, h, "a").Put(ctx, []byte("k"), []byte("v"))
		require.NoError(t, err)
		run, err := h.Backup(ctx)
		require.NoError(t, err)
		want = append(want, "backup_started "+run.ID, "backup_complete "+run.ID)
	}
	require.NoError(t, server.Restart(ctx))
	_, err := h.Backup(ctx, "b")
	require.NoError(t, err)

	var got []string
	for len(got) < len(want)+2 {
		e := next()
		run, err := app.Decode[app.Run](e)
		require.NoError(t, err)
		got = append(got, string(e.Type)+" "+run.ID)
	}
	require.Equal(t, want, got[:len(want)])
}

// TestWhatHappenedOfflineIsAnnounced backs up with no NATS at all: the next start
// knows the run and announces it.
func TestWhatHappenedOfflineIsAnnounced(t *testing.T) {
	ctx := context.Background()
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Offline = true
	h := open(t, cfg)
	run, err := h.Backup(ctx)
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(run.BackupDir))
	shut(t, h)
	cfg.Offline = false
	h = open(t, cfg)
	got, err := h.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, run.Cut, got.Cut)
	for e, err := range h.Events(ctx, time.Now().Add(-time.Hour)) {
		require.NoError(t, err)
		if e.Type == app.BackupComplete {
			told, err := app.Decode[app.Run](e)
			require.NoError(t, err)
			require.Equal(t, run.ID, told.ID)
			break
		}
	}
	health := h.Health(ctx)
	require.False(t, health.StaleBackup)
	require.NotNil(t, health.LastBackupAt)
	_, err = h.Run(ctx, "none")
	require.ErrorIs(t, err, app.ErrNoRun)
}
