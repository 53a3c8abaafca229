package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/brockdb/brock/app/alert"
	"github.com/brockdb/brock/bus"
)

// Where alarms go, for [Config.Alerts].
type (
	// Alerts says where alarms go; printing one shows no secret.
	Alerts = alert.Config
	// Webhook gets each alarm as a signed POST.
	Webhook = alert.Webhook
	// AlertDelivery says what became of a test alarm on one channel.
	AlertDelivery = alert.Delivery
)

// The types of alarms that are no events.
const (
	healthChanged bus.EventType = "health_changed" // the status is another one, or there is a new condition
	alertTest     bus.EventType = "alert_test"
)

const (
	alertsDir      = "alerts"
	troubleAfter   = 10 * time.Minute // that a receiver has not taken alarms
	testAlertEnds  = 40 * time.Second
	alertUserAgent = "brock/" + Release
)

// openAlarms takes up what waited for its receivers.
func (h *Hub) openAlarms(context.Context) error {
	if h.cfg.Offline {
		return nil
	}
	h.alarms = alert.Open(alert.Options{Config: h.cfg.Alerts, Dir: h.path(alertsDir), FS: h.fs(), Wall: h.cfg.Wall,
		Logger: h.log, Agent: alertUserAgent})
	return nil
}

// alarm sends the event to people, where it is something for them: failures and
// recoveries, not success.
func (h *Hub) alarm(e bus.Event) {
	if h.alarms == nil || !h.cfg.Alerts.Any() {
		return
	}
	var s alarmStory
	if err := e.Decode(&s); err != nil {
		h.log.Error("an event could not be told as an alarm", "type", e.Type, "id", e.ID, "err", err)
	}
	if s.isAlarming(e.Type) {
		h.raise(e, s.text(e))
	}
}

func (h *Hub) raise(e bus.Event, text string) {
	a, err := alert.New(e, text)
	if err != nil {
		h.log.Error("an alarm could not be made", "type", e.Type, "id", e.ID, "err", err)
		return
	}
	h.alarms.Raise(a)
}

// healthTurn is the detail of a health_changed alarm.
type healthTurn struct {
	Status            HealthStatus `json:"health_status"`
	Was               HealthStatus `json:"was"` // that was told last; "" at the first look
	Conditions        []string     `json:"conditions"`
	StaleBackup       bool         `json:"stale_backup"`
	HighFragmentation bool         `json:"high_fragmentation"`
	LastBackupAt      *time.Time   `json:"last_backup_at"`
}

// watchHealth tells of a turn of health.
func (h *Hub) watchHealth(ctx context.Context, w *watched) (changed bool) {
	now := h.Health(ctx)
	if ctx.Err() != nil {
		return false // the hub closes, and looks ill meanwhile
	}
	var was HealthStatus
	if w.Health == nil { // what a new hub has not yet is no turn
		w.Health = &turns{Status: now.Status, Kinds: kindsOf(now.Conditions)}
		if now.Status != HealthUnhealthy {
			return true
		}
	} else {
		was = w.Health.Status
		if !w.Health.look(now) {
			return false
		}
	}
	if rank(now.Status) >= rank(HealthWarning) {
		h.log.Warn("health", "status", now.Status, "was", was, "conditions", now.Conditions)
	} else {
		h.log.Info("health", "status", now.Status, "was", was)
	}
	turn := healthTurn{now.Status, was, now.Conditions, now.StaleBackup, now.HighFragmentation, now.LastBackupAt}
	e, err := bus.NewNotice(healthChanged, h.cfg.Name, h.cfg.Wall.Now(), turn)
	if err == nil && h.cfg.Alerts.Any() {
		h.raise(e, h.turnText(turn))
	}
	return true
}

func (h *Hub) turnText(t healthTurn) string {
	text := fmt.Sprintf("hub %s: health is %s", h.cfg.Name, t.Status)
	if t.Was != "" && t.Was != t.Status {
		text += fmt.Sprintf(" (was %s)", t.Was)
	}
	if len(t.Conditions) > 0 {
		text += ": " + strings.Join(t.Conditions, "; ")
	}
	return oneLine(text)
}

// alarmHealth tells of receivers that do not take alarms.
func (h *Hub) alarmHealth(out *Health) {
	for _, t := range h.alarms.Troubles() {
		if age := h.cfg.Wall.Since(t.Since); age > troubleAfter {
			out.condition("alarms do not reach %s, for %d min: %s", t.Channel, int(age.Minutes()), t.Error)
		}
	}
}

// AlertReport is the outcome of [Hub.TestAlert].
type AlertReport struct {
	Status   Status          `json:"status"` // ok, partial or failed
	Channels []AlertDelivery `json:"channels"`
}

// TestAlert sends a test alarm on every channel of [Config.Alerts], once, and says which
// it reached. Where it did not reach all, or there is none, it returns a [*FailedError]
// besides.
func (h *Hub) TestAlert(ctx context.Context) (AlertReport, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return AlertReport{}, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, testAlertEnds)
	defer cancel()
	e, err := bus.NewNotice(alertTest, h.cfg.Name, h.cfg.Wall.Now(), nil)
	if err != nil {
		return AlertReport{}, err
	}
	a, err := alert.New(e, "hub "+h.cfg.Name+": this is a test of the alarms; nothing is wrong")
	if err != nil {
		return AlertReport{}, err
	}
	out := AlertReport{Status: StatusOK, Channels: h.alarms.Test(ctx, a)}
	failed := &FailedError{What: "alert test"}
	arrived := 0
	for _, d := range out.Channels {
		switch d.Status {
		case alert.Arrived:
			arrived++
		case alert.Failed:
			failed.Problems = append(failed.Problems, d.Channel+": "+d.Error)
		}
	}
	switch {
	case len(out.Channels) == 0:
		failed.Problems = append(failed.Problems, errNoAlerts.Error())
		out.Status = StatusFailed
	case len(failed.Problems) == 0:
		return out, nil
	case arrived == 0:
		out.Status = StatusFailed
	default:
		out.Status = StatusPartial
	}
	failed.Status = out.Status
	return out, failed
}

var errNoAlerts = errors.New("no alerts are configured")
