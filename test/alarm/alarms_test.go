package alarm

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// A failed backup reaches its receiver, also with NATS down, after a refusal, over a
// restart; and success is silent.
func TestAlarmsArrive(t *testing.T) {
	r := newReceiver(t)
	var broken atomic.Bool
	r.answer = func() int {
		if broken.Load() {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	h := calm(t, harness.Tables("a", "b"), harness.Configure(r.in))
	h.Put("a", "k", "v")
	h.Backup()
	_, err := h.Hub().Verify(h.Context())
	require.NoError(t, err)
	h.StopNATS()
	broken.Store(true)
	undo := h.VaultReadOnly()
	_, err = h.Hub().Backup(h.Context())
	require.Error(t, err)
	undo()
	first := r.next(t)
	require.Equal(t, "backup_failed", first.Type, "success was silent")
	require.Contains(t, first.Text, "hub hub: backup ")
	require.Contains(t, first.Text, " failed: a: ")
	h.StartNATS()
	h.Stop()
	broken.Store(false)
	h.Start()
	require.Equal(t, first, r.next(t), "the same once more")

	h.TableProbe("b").On(harness.Flush).Refuse(syscall.EIO)
	run, err := h.Hub().Backup(h.Context())
	require.Error(t, err)
	require.Equal(t, app.StatusPartial, run.Status)
	partial := r.next(t)
	require.Equal(t, "backup_complete", partial.Type)
	require.Equal(t, "partial", partial.Status)
	require.Equal(t, "hub hub: backup "+run.ID+" is partial, 1 of 2 tables: b: "+syscall.EIO.Error(), partial.Text)
	published := h.Expect(harness.BackupComplete(run.ID))
	require.Equal(t, published.ID, partial.ID, "it is the event on NATS")

	_, err = h.Hub().Restore(h.Context(), app.RestoreRequest{Tables: []string{"a"}})
	require.NoError(t, err)
	restored := r.next(t)
	require.Equal(t, "recovery_complete", restored.Type)
	require.Contains(t, restored.Text, "table a was restored to its state of ")
}

// A table that heals itself at night is heard of in the morning: damage, then recovery.
func TestHealingIsAnAlarm(t *testing.T) {
	r := newReceiver(t)
	h := calm(t, harness.Configure(r.in))
	h.Put("a", "k", "<a value that is damaged>")
	h.Backup()
	h.Restart()
	h.Damage("a", "<a value that is damaged>")
	_, err := h.Table("a").Get(h.Context(), []byte("k"))
	require.ErrorIs(t, err, app.ErrDamaged)
	damaged, healed := r.next(t), r.next(t)
	require.Equal(t, "corruption_detected", damaged.Type)
	require.Contains(t, damaged.Text, "hub hub: table a is damaged")
	require.Equal(t, 1, strings.Count(damaged.Text, "is damaged"), damaged.Text)
	require.Equal(t, 1, strings.Count(damaged.Text, filepath.Join(h.Dir, "data")), damaged.Text)
	require.NotContains(t, damaged.Text, "restore the table", "the hub does that")
	require.Equal(t, "recovery_complete", healed.Type)
	require.Contains(t, healed.Text, "hub hub: table a was damaged and has healed itself to its state of ")
	require.Contains(t, healed.Text, ", 1 record")
	require.NotContains(t, healed.Text, "records")
}

// What tells of a full disk needs no room on it.
func TestAFullDiskIsAnAlarm(t *testing.T) {
	r := newReceiver(t)
	h := calm(t, harness.Configure(r.in))
	free := h.DiskFull()
	_, err := h.Hub().Backup(h.Context())
	require.Error(t, err)
	require.Equal(t, "backup_failed", r.next(t).Type)
	free()
}

// A turn of health is told in both directions, and not what passes within a minute.
func TestTurnsOfHealthAreAlarms(t *testing.T) {
	var used atomic.Uint64
	used.Store(50)
	r := newReceiver(t)
	h := calm(t, harness.Configure(r.in), harness.Configure(func(c *app.Config) {
		c.Hooks.Free = func(string) (uint64, uint64, error) { return 100 - used.Load(), 100, nil }
	}))
	h.Backup()
	watched := filepath.Join(h.Dir, "data", "watched.json")
	until(t, h, 10*time.Second, "the first look", func() bool { _, err := os.Stat(watched); return err == nil })
	require.Empty(t, r.got)
	used.Store(93)
	began := h.Clock.Now()
	until(t, h, 10*time.Second, "an alarm", func() bool { return len(r.got) > 0 })
	worse := r.next(t)
	require.GreaterOrEqual(t, h.Clock.Now().Sub(began), time.Minute)
	require.Equal(t, alarm{ID: worse.ID, Type: "health_changed", Hub: "hub", Health: "warning", Was: "ok",
		Text:       "hub hub: health is warning (was ok): the data's disk 93 % full; the vault's disk 93 % full",
		Conditions: []string{"the data's disk 93 % full", "the vault's disk 93 % full"}}, worse)
	used.Store(95) // the same, a little worse
	h.Restart()
	used.Store(50)
	until(t, h, 10*time.Second, "an alarm", func() bool { return len(r.got) > 0 })
	better := r.next(t)
	require.Equal(t, "ok", better.Health)
	require.Equal(t, "warning", better.Was)
	require.Equal(t, "hub hub: health is ok (was warning)", better.Text)
}

func TestHeartbeatStopsWhenUnhealthy(t *testing.T) {
	beats := newReceiver(t)
	h := calm(t, harness.Tables("a", "b"), harness.Stopped(), harness.Configure(func(c *app.Config) { c.Alerts.Heartbeat = beats.URL }))
	h.Start()
	beats.next(t)
	h.Advance(47 * time.Hour)
	until(t, h, 10*time.Second, "the next one", func() bool { return len(beats.got) > 0 })
	h.Advance(2 * time.Hour)
	report, err := h.Hub().TestAlert(h.Context())
	require.NoError(t, err)
	require.Equal(t, "held", report.Channels[0].Status, "the backup is stale")
	h.Backup()
	report, err = h.Hub().TestAlert(h.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", report.Channels[0].Status)
	h.Stop()
	h.LoseTable("b")
	h.Start()
	report, err = h.Hub().TestAlert(h.Context())
	require.NoError(t, err)
	require.Equal(t, "held", report.Channels[0].Status, "a table is down")
}

func TestAlertTest(t *testing.T) {
	r, bad := newReceiver(t), newReceiver(t)
	bad.answer = func() int { return http.StatusForbidden }
	h := calm(t)
	report, err := h.Hub().TestAlert(h.Context())
	var failed *app.FailedError
	require.ErrorAs(t, err, &failed)
	require.ErrorContains(t, err, "no alerts are configured")
	require.Equal(t, app.AlertReport{Status: app.StatusFailed, Channels: []app.AlertDelivery{}}, report)
	h.Stop()
	out := filepath.Join(t.TempDir(), "out")
	h.Reconfigure(func(c *app.Config) {
		r.in(c)
		c.Alerts.Command = []string{"/bin/sh", "-c", "cat > " + out}
	})
	h.Start()
	require.NoError(t, h.Client(bus.Operator).Request(h.Context(), "hub", "alert", nil, &report))
	require.Equal(t, app.StatusOK, report.Status)
	require.Equal(t, []string{r.name(), "command sh"}, []string{report.Channels[0].Channel, report.Channels[1].Channel})
	require.Equal(t, "alert_test", r.next(t).Type)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(text), `"text":"hub hub: this is a test`)
	require.Error(t, h.Client(bus.Viewer).Request(h.Context(), "hub", "alert", nil, &report))

	h.Stop()
	h.Reconfigure(func(c *app.Config) { c.Alerts.Webhooks = append(c.Alerts.Webhooks, app.Webhook{URL: bad.URL}) })
	h.Start()
	report, err = h.Hub().TestAlert(h.Context())
	require.ErrorAs(t, err, &failed)
	require.Equal(t, app.StatusPartial, report.Status)
	require.Equal(t, "error", report.Channels[1].Status)
	require.Contains(t, report.Channels[1].Error, "403 Forbidden")
}

func (r *receiver) name() string { return "webhook " + strings.TrimPrefix(r.URL, "http://") }

// Alarms that do not arrive are a condition, so that another road tells of them.
func TestAReceiverThatIsDownIsACondition(t *testing.T) {
	h := calm(t, harness.Configure(func(c *app.Config) { c.Alerts.Webhooks = []app.Webhook{{URL: "http://127.0.0.1:1/SECRET"}} }))
	h.Backup()
	undo := h.VaultReadOnly()
	_, err := h.Hub().Backup(h.Context())
	require.Error(t, err)
	undo()
	h.Backup()
	until(t, h, time.Minute, "a condition", func() bool { return len(health(t, h).Conditions) > 0 })
	out := expect(t, h, app.HealthWarning, "alarms do not reach webhook 127.0.0.1:1, for ")
	require.NotContains(t, out.Conditions[0], "SECRET")
}
