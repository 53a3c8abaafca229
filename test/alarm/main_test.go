// Package alarm tests what a hub says of itself when something is wrong: its health, and
// the alarms that leave the process; and the compaction that keeps it well.
package alarm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { harness.Main(m) }

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// calm is a hub of one table on good disks, with nothing to say but what a test makes.
func calm(t *testing.T, opts ...harness.Option) *harness.Harness {
	t.Helper()
	all := append([]harness.Option{harness.Tables("a"), harness.FakeClock(start), harness.Configure(func(c *app.Config) {
		c.DrillEvery, c.ScrubEvery = -1, -1
		c.Hooks.Free = func(string) (uint64, uint64, error) { return 50, 100, nil }
		c.Hooks.SameDevice = func(string, string) (bool, error) { return false, nil }
	})}, opts...)
	return harness.New(t, all...)
}

// until advances the hub's clock, step by step, until the condition holds.
func until(t *testing.T, h *harness.Harness, step time.Duration, what string, ok func() bool) {
	t.Helper()
	paced(t, h, 2*time.Millisecond, step, what, ok)
}

// closely is until where the hub's clock is asked afterwards: it leaves a hub on a busy
// machine the time to see each step.
func closely(t *testing.T, h *harness.Harness, step time.Duration, what string, ok func() bool) {
	t.Helper()
	paced(t, h, 50*time.Millisecond, step, what, ok)
}

func paced(t *testing.T, h *harness.Harness, pace, step time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
			h.Advance(step)
		case <-ctx.Done():
			require.Fail(t, "it does not come", what)
		}
	}
}

// eventually waits for what comes without the hub's clock.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 30*time.Second, 2*time.Millisecond, what)
}

// receiver is a webhook.
type receiver struct {
	*httptest.Server
	got    chan alarm
	answer func() int
}

type alarm struct {
	ID         string   `json:"id"`
	Type       string   `json:"type"`
	Hub        string   `json:"hub"`
	Text       string   `json:"text"`
	Status     string   `json:"status"`
	Health     string   `json:"health_status"`
	Was        string   `json:"was"`
	Conditions []string `json:"conditions"`
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{got: make(chan alarm, 100), answer: func() int { return http.StatusOK }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var a alarm
		if json.Unmarshal(body, &a) != nil || a.ID != req.Header.Get("webhook-id") {
			a = alarm{Type: "no alarm: " + string(body)}
		}
		w.WriteHeader(r.answer())
		r.got <- a
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) alarm {
	t.Helper()
	select {
	case a := <-r.got:
		return a
	case <-time.After(30 * time.Second):
		require.Fail(t, "no alarm came")
		return alarm{}
	}
}

// in sends the hub's alarms to the receiver.
func (r *receiver) in(c *app.Config) {
	c.Alerts.Webhooks = []app.Webhook{{URL: r.URL, Secret: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}}
}

func says(h app.Health, condition string) bool {
	for _, c := range h.Conditions {
		if strings.HasPrefix(c, condition) {
			return true
		}
	}
	return false
}
