package parity

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// What the hub does with nobody there to ask for it.

// ticking moves the hub's clock on until the returned function is called.
func ticking(h *harness.Harness, step time.Duration) (stop func()) {
	end, done := make(chan struct{}), sync.WaitGroup{}
	done.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				h.Advance(step)
			}
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		done.Wait()
	})
}

func TestCompactionByItself(t *testing.T) {
	t.Run("every six hours the tables that are fragmented by 10 % are compacted, and the others left alone", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b", "c"), harness.FakeClock(morning), withoutLog(),
			harness.Configure(func(c *app.Config) { c.CompactEvery = 0 })) // as in production
		fill(h, "a", 200)
		empty(t, h, "a")
		fill(h, "b", 200)
		stop := ticking(h, time.Minute)
		defer stop()
		e := h.Expect(harness.Event(app.CompactionComplete))
		stop()
		c, err := app.Decode[app.Compaction](e)
		require.NoError(t, err)
		require.Equal(t, "schedule", c.Trigger)
		require.GreaterOrEqual(t, c.StartedAt.Sub(morning), 6*time.Hour)
		require.Len(t, c.Results, 1)
		require.Equal(t, "a", c.Results[0].Table)
		require.Less(t, c.Results[0].BytesAfter, c.Results[0].BytesBefore)
	})
	t.Run("a compaction that fails is tried once more; one that fails twice is announced", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), withoutLog())
		fill(h, "a", 10)
		once := h.TableProbe("a").On(harness.Exchange).Nth(1).Refuse(errors.New("not now"))
		c, err := h.Hub().Compact(t.Context())
		require.NoError(t, err)
		require.Equal(t, app.StatusComplete, c.Status)
		require.Equal(t, 1, once.Hits())
		once.Lift()
		always := h.TableProbe("a").On(harness.Exchange).Refuse(errors.New("never"))
		_, err = h.Hub().Compact(t.Context())
		require.Error(t, err)
		require.Equal(t, 2, always.Hits())
		failed := fields(t, h.Expect(harness.Event(app.CompactionComplete), harness.Event(app.CompactionFailed)))
		require.Contains(t, failed["results"].([]any)[0].(map[string]any)["error"], "never")
		always.Lift()
		require.Equal(t, string(make([]byte, 1000)), h.Get("a", "aa"), "the table went on")
	})
}

func TestRecoveryByItself(t *testing.T) {
	const precious = "<a value that stands nowhere else>"
	t.Run("damage starts the restore of that table by itself, and people are told after the fact", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.Put("a", "k", precious)
		h.Backup()
		h.Put("a", "later", "than the backup")
		h.Restart() // now it is on the disk
		h.Damage("a", precious)
		_, err := h.Table("a").Get(t.Context(), []byte("k"))
		require.ErrorIs(t, err, app.ErrDamaged, "never a wrong value")
		h.Put("b", "k", "never notices")
		e := fields(t, h.Expect(harness.CorruptionDetected("a"), harness.RecoveryComplete("a")))
		require.Equal(t, "auto", e["trigger"])
		require.NotEmpty(t, e["backup_used"])
		require.EqualValues(t, 2, e["record_count"])
		require.Equal(t, precious, h.Get("a", "k"))
		require.Equal(t, "than the backup", h.Get("a", "later"), "nothing is rolled back")
	})
	t.Run("with no usable backup a table is empty only where the operator wants it, and then called degraded", func(t *testing.T) {
		for _, policy := range []app.HealPolicy{app.HealAuto, app.HealEmpty} {
			h := harness.New(t, harness.Tables("a"), withoutLog(), harness.Configure(func(c *app.Config) { c.Heal = policy }))
			h.Put("a", "k", precious)
			h.Restart()
			h.Damage("a", precious)
			_, err := h.Table("a").Get(t.Context(), []byte("k"))
			require.ErrorIs(t, err, app.ErrDamaged)
			want := app.TableHealth{Table: "a", Status: app.Unavailable}
			if policy == app.HealEmpty {
				h.Expect(harness.TableDegraded("a"), harness.Not(harness.RecoveryComplete("")))
				want.Status = app.Degraded
			} else {
				e := fields(t, h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.RecoveryComplete(""))))
				require.Equal(t, "auto", e["trigger"])
				require.NotEmpty(t, e["error"])
			}
			require.Equal(t, want.Status, tableOf(t, h.Hub().Health(t.Context()), "a").Status, policy)
			h.Stop()
		}
	})
	t.Run("a hundred operations that meet the damage start one recovery", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Put("a", "k", precious)
		h.Backup()
		h.Restart()
		h.Damage("a", precious)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { _, _ = h.Table("a").Get(t.Context(), []byte("k")) })
		}
		all.Wait()
		h.Expect(harness.RecoveryComplete("a"))
		run := h.Backup()
		h.Expect(harness.BackupComplete(run.ID), harness.Not(harness.RecoveryComplete(""), harness.CorruptionDetected("")))
	})
}

func TestNotifications(t *testing.T) {
	t.Run("failures and automatic recoveries reach people; success is silent", func(t *testing.T) {
		got := make(chan map[string]any, 100)
		people := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			var alarm map[string]any
			if json.Unmarshal(b, &alarm) == nil {
				got <- alarm
			}
		}))
		defer people.Close()
		h := harness.New(t, harness.Tables("a", "b"), harness.Configure(func(c *app.Config) {
			c.Alerts.Webhooks = []app.Webhook{{URL: people.URL}}
		}))
		h.Put("a", "k", "v")
		h.Backup()
		_, err := h.Hub().Drill(t.Context())
		require.NoError(t, err)
		_, err = h.Hub().Compact(t.Context())
		require.NoError(t, err)
		fault := h.TableProbe("a").On(harness.Flush).Refuse(errors.New("it does not flush"))
		run, err := h.Hub().Backup(t.Context(), "a")
		require.Error(t, err)
		fault.Lift()
		for {
			alarm := <-got
			if alarm["type"] == "health_changed" {
				continue
			}
			require.Equal(t, string(app.BackupFailed), alarm["type"], "what succeeded is not told")
			require.Equal(t, run.ID, alarm["run"])
			require.Contains(t, alarm["text"], "it does not flush")
			break
		}
		h.Stop()
	})
}
