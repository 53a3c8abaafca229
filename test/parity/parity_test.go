// Package parity holds Brock to what it took the place of: the backup process of an
// Elixir agent hub with nine tables in files. What people relied on there is stated
// one by one, each with Brock's answer, and each fault that it had with what shows
// that Brock does not have it.
package parity

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// morning is not in UTC, so that a name in local time would show.
var morning = time.Date(2026, 11, 22, 6, 30, 15, 250e6, time.FixedZone("", 5*3600))

// thirteen are the tables that the hub had in the end.
func thirteen() []string {
	return append(app.DefaultTables(), "repo_registry", "cost_ledger", "goal_backlog", "improvement_history")
}

// withoutLog is a hub that has snapshots only, as the original had: then retention
// keeps so many, and nothing for the change log's sake.
func withoutLog() harness.Option {
	return harness.Configure(func(c *app.Config) { c.LogInterval = -1 })
}

func fill(h *harness.Harness, table string, n int) {
	value := string(make([]byte, 1000))
	for i := range n {
		h.Put(table, string(rune('a'+i%26))+string(rune('a'+i/26)), value)
	}
}

func empty(t *testing.T, h *harness.Harness, table string) {
	t.Helper()
	for rec, err := range h.Table(table).Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		_, err = h.Table(table).Delete(t.Context(), rec.Key)
		require.NoError(t, err)
	}
}

func result(t *testing.T, run app.Run, table string) app.Result {
	t.Helper()
	for _, r := range run.Results {
		if r.Table == table {
			return r
		}
	}
	require.Fail(t, "no result of "+table)
	return app.Result{}
}

func tableOf(t *testing.T, health app.Health, table string) app.TableHealth {
	t.Helper()
	for _, th := range health.Tables {
		if th.Table == table {
			return th
		}
	}
	require.Fail(t, "no health of "+table)
	return app.TableHealth{}
}

// fields returns an event as it is on NATS.
func fields(t *testing.T, e app.Event) (out map[string]any) {
	t.Helper()
	require.NoError(t, e.Decode(&out))
	return out
}

func TestTables(t *testing.T) {
	t.Run("a hub that is told nothing has the nine tables", func(t *testing.T) {
		h := harness.New(t)
		require.Equal(t, []string{"task_queue", "task_dead_letter", "agent_mailbox", "message_history", "agent_channels",
			"channel_history", "agentcom_config", "thread_messages", "thread_replies"}, h.Hub().Tables())
		for _, name := range h.Hub().Tables() {
			h.Put(name, "k", "v")
		}
		require.Len(t, h.Backup().TablesBackedUp, 9)
	})
	t.Run("the four that came later are added by naming them, and remembered", func(t *testing.T) {
		h := harness.New(t)
		h.Put("task_queue", "k", "v")
		h.Reconfigure(func(c *app.Config) { c.Tables = thirteen() })
		h.Restart()
		h.Reconfigure(func(c *app.Config) { c.Tables = nil })
		h.Restart()
		require.Equal(t, thirteen(), h.Hub().Tables())
		require.Equal(t, "v", h.Get("task_queue", "k"))
		require.Len(t, h.Backup().TablesBackedUp, 13)
	})
}

func TestBackup(t *testing.T) {
	t.Run("it is supervised: when its actor crashes, the next call finds a new one", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		crash := h.BackupProbe().On(harness.Backup).Nth(1).Panic()
		_, err := h.Hub().Backup(t.Context())
		require.Error(t, err, "whoever waited is told")
		crash.Wait()
		require.Equal(t, app.StatusComplete, h.Backup().Status)
	})
	t.Run("it comes after the tables: a backup right after the start has them all", func(t *testing.T) {
		h := harness.New(t, harness.Tables(thirteen()...))
		h.Restart()
		require.ElementsMatch(t, thirteen(), h.Backup().TablesBackedUp)
	})
	t.Run("where it goes comes from the configuration, and the table of configuration is backed up too", func(t *testing.T) {
		vault := filepath.Join(t.TempDir(), "elsewhere")
		h := harness.New(t, harness.Configure(func(c *app.Config) { c.Vault = vault }))
		run := h.Backup()
		require.Equal(t, vault, run.BackupDir)
		require.Contains(t, run.TablesBackedUp, "agentcom_config")
	})
	t.Run("it runs each day by itself, for the first time within a day of the first start", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.Schedule("@daily"), harness.FakeClock(morning))
		for range 3 {
			at, ok := h.Hub().NextBackup()
			require.True(t, ok)
			require.LessOrEqual(t, at.Sub(h.Clock.Now()), 24*time.Hour)
			h.Advance(at.Sub(h.Clock.Now()))
			h.Expect(harness.BackupComplete("").With("trigger", "schedule"))
			h.BackupProbe().Await(harness.Ran) // the timer is set again
		}
	})
	t.Run("it is synchronous and answers with a result per table: where it is, and its size", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.Put("a", "k", "v")
		run := h.Backup()
		require.Len(t, run.Results, 2)
		for _, r := range run.Results {
			require.Equal(t, app.StatusOK, r.Status)
			require.DirExists(t, r.Path, "it is there when the call returns")
			require.Positive(t, r.Size)
		}
		require.EqualValues(t, 1, result(t, run, "a").Records)
	})
	t.Run("it does what it can: a table that is closed is reported with its reason, the others are backed up", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b", "c"))
		h.Put("b", "k", "v")
		h.Stop()
		h.LoseTable("b")
		h.Start()
		run, err := h.Hub().Backup(t.Context())
		var failure *app.RunError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, []string{"a", "c"}, run.TablesBackedUp)
		require.Equal(t, app.StatusError, result(t, run, "b").Status)
		require.Contains(t, result(t, run, "b").Error, "unavailable")
		h.Expect(harness.BackupComplete(run.ID).With("status", "partial").With("tables_failed", []string{"b"}))
	})
	t.Run("what cannot be written down before the copy is logged, and the copy made anyway", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Put("a", "k", "v")
		fault := h.FS.On(harness.OpCreate, "vault/log/*").Fail(syscall.EIO)
		run := h.Backup()
		require.Positive(t, fault.Hits())
		fault.Lift()
		_, err := h.Hub().Drill(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, result(t, run, "a").Records)
	})
	t.Run("names tell the time in UTC, sort by it, and have no colons", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(morning), withoutLog())
		h.Put("a", "k", "v")
		first := result(t, h.Backup(), "a").Snapshot
		require.Regexp(t, regexp.MustCompile(`^2026-11-22T01-30-15\.250Z_[0-9a-z]+$`), first)
		h.Advance(time.Hour)
		h.Put("a", "k", "w")
		require.Greater(t, result(t, h.Backup(), "a").Snapshot, first)
	})
	t.Run("three are kept of each table, older ones go after each run", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"), withoutLog())
		made := map[string][]string{}
		for i := range 5 {
			h.Put("a", "k", string(rune('0'+i)))
			run := h.Backup()
			for _, r := range run.Results {
				made[r.Table] = append(made[r.Table], r.Snapshot)
			}
			list, err := h.Hub().List(t.Context(), "a")
			require.NoError(t, err)
			require.Len(t, list.Snapshots, min(i+1, 3))
		}
		for name, all := range made {
			list, err := h.Hub().List(t.Context(), name)
			require.NoError(t, err)
			var kept []string
			for _, s := range list.Snapshots {
				kept = append(kept, s.Name)
			}
			require.Equal(t, []string{all[4], all[3], all[2]}, kept, name)
		}
	})
}

func TestHealth(t *testing.T) {
	t.Run("each table has its records, its size, its fragmentation to three decimals, and a status", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		fill(h, "a", 30)
		for i := range 7 {
			h.Put("a", string(rune('a'+i))+"a", "overwritten")
		}
		got := tableOf(t, h.Hub().Health(t.Context()), "a")
		require.EqualValues(t, 30, got.RecordCount)
		require.Positive(t, got.FileSizeBytes)
		require.Equal(t, app.Serving, got.Status)
		require.InDelta(t, 0.23, got.Fragmentation, 0.1)
		require.Equal(t, float64(int(got.Fragmentation*1000+0.5))/1000, got.Fragmentation)
	})
	t.Run("a table that is unavailable has zeros, and the rest of health is there", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.Put("a", "k", "v")
		h.Stop()
		h.LoseTable("a")
		h.Start()
		health := h.Hub().Health(t.Context())
		got := tableOf(t, health, "a")
		require.Equal(t, app.Unavailable, got.Status)
		require.Zero(t, got.RecordCount+uint64(got.FileSizeBytes))
		require.Zero(t, got.Fragmentation)
		require.Equal(t, app.Serving, tableOf(t, health, "b").Status)
		require.Equal(t, app.HealthUnhealthy, health.Status)
	})
	t.Run("it knows the last backup with its results, and the compactions", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		run := h.Backup()
		_, err := h.Hub().Compact(t.Context(), "a")
		require.NoError(t, err)
		health := h.Hub().Health(t.Context())
		require.Equal(t, run.StartedAt, health.LastBackupAt)
		require.Len(t, health.LastBackupResults, 2)
		require.Len(t, health.CompactionHistory, 1)
		require.Equal(t, health.CompactionHistory[0].StartedAt, *health.LastCompactionAt)
	})
	t.Run("it is JSON whatever a failure's reason is made of", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.TableProbe("a").On(harness.Flush).Refuse(errors.New("\xff\x00{:error, {:badarg, #PID<0.1.0>}}"))
		_, err := h.Hub().Backup(t.Context())
		require.Error(t, err)
		b, err := json.Marshal(h.Hub().Health(t.Context()))
		require.NoError(t, err)
		require.True(t, json.Valid(b))
		require.Contains(t, string(b), ":badarg")
	})
	t.Run("a backup is stale when there was none, and when it is more than 48 hours old", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(morning))
		require.True(t, h.Hub().Health(t.Context()).StaleBackup)
		require.Contains(t, h.Hub().Health(t.Context()).Conditions, "backup never run")
		h.Backup()
		h.Advance(48 * time.Hour)
		require.False(t, h.Hub().Health(t.Context()).StaleBackup)
		h.Advance(time.Second)
		require.True(t, h.Hub().Health(t.Context()).StaleBackup)
	})
	t.Run("fragmentation is high above 50 %; one of the two is a warning, both are unhealthy", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(morning), withoutLog())
		fill(h, "a", 100)
		h.Backup()
		require.False(t, h.Hub().Health(t.Context()).HighFragmentation)
		empty(t, h, "a")
		fragmented := h.Hub().Health(t.Context())
		require.True(t, fragmented.HighFragmentation)
		require.False(t, fragmented.StaleBackup)
		require.Equal(t, app.HealthWarning, fragmented.Status)
		h.Advance(49 * time.Hour)
		require.Equal(t, app.HealthUnhealthy, h.Hub().Health(t.Context()).Status)
		_, err := h.Hub().Compact(t.Context())
		require.NoError(t, err)
		stale := h.Hub().Health(t.Context())
		require.True(t, stale.StaleBackup)
		require.False(t, stale.HighFragmentation)
		require.Equal(t, app.HealthWarning, stale.Status)
	})
}

func TestCompaction(t *testing.T) {
	t.Run("all tables or one are compacted on demand, one after another", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		all, err := h.Hub().Compact(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, []string{all.Results[0].Table, all.Results[1].Table})
		one, err := h.Hub().Compact(t.Context(), "b")
		require.NoError(t, err)
		require.Len(t, one.Results, 1)
		e := fields(t, h.Expect(harness.Event(app.CompactionComplete), harness.Event(app.CompactionComplete)))
		require.NotZero(t, e["timestamp"])
		require.Len(t, e["results"], 1)
		_, err = h.Hub().Compact(t.Context(), "c")
		require.ErrorIs(t, err, app.ErrUnknownTable)
	})
	t.Run("the last twenty are kept, also over a restart", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(morning))
		for range 21 {
			h.Advance(time.Minute)
			_, err := h.Hub().Compact(t.Context())
			require.NoError(t, err)
		}
		h.Restart()
		history := h.Hub().Health(t.Context()).CompactionHistory
		require.Len(t, history, 20)
		require.Equal(t, h.Clock.Now().UTC(), history[0].StartedAt, "the newest first")
	})
}

func TestRecovery(t *testing.T) {
	t.Run("a table is restored from its newest backup with one call, read whole and counted", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.Put("a", "k", "older")
		h.Backup()
		h.Put("a", "k", "newer")
		h.Put("a", "l", "newer")
		run := h.Backup()
		empty(t, h, "a")
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, app.StatusRestored, out.Status)
		require.Equal(t, result(t, run, "a").Snapshot, out.Results[0].Snapshot)
		require.EqualValues(t, 2, out.Results[0].Records)
		require.Equal(t, "newer", h.Get("a", "k"))
		e := fields(t, h.Expect(harness.RecoveryComplete("a")))
		require.Equal(t, out.Results[0].Snapshot, e["backup_used"])
		require.EqualValues(t, 2, e["record_count"])
		require.Equal(t, "manual", e["trigger"])
		require.NotZero(t, e["timestamp"])
	})
	t.Run("a restore that fails is announced with its reason", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.Error(t, err)
		e := fields(t, h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.RecoveryComplete(""))))
		require.NotEmpty(t, e["error"])
		require.Equal(t, "manual", e["trigger"])
	})
}

func TestEvents(t *testing.T) {
	t.Run("the end of a backup tells when, which tables and where", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"), harness.FakeClock(morning))
		run := h.Backup()
		e := fields(t, h.Expect(harness.BackupComplete(run.ID)))
		require.EqualValues(t, morning.UnixMilli(), e["timestamp"])
		require.Equal(t, []any{"a", "b"}, e["tables_backed_up"])
		require.Equal(t, run.BackupDir, e["backup_dir"])
		_, err := os.Stat(run.BackupDir)
		require.NoError(t, err)
	})
}
