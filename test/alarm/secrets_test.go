package alarm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What is secret in the configuration of alarms is found in no log, event, error,
// answer or metric, also while everything fails.
func TestSecretsOfAlarmsStayInside(t *testing.T) {
	var log logBuffer
	h := calm(t, harness.Configure(func(c *app.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Alerts = app.Alerts{Webhooks: []app.Webhook{{URL: "http://CANARY:CANARY@127.0.0.1:1/CANARY?t=CANARY", Secret: "whsec_Q0FOQVJZY2FuYXJ5Q0FOQVJZY2FuYXJ5"}},
			Heartbeat: "http://127.0.0.1:1/CANARY"}
	}))
	h.Put("a", "k", "v")
	h.Backup()
	undo := h.VaultReadOnly()
	_, failed := h.Hub().Backup(h.Context())
	require.Error(t, failed)
	undo()
	report, err := h.Hub().TestAlert(h.Context())
	require.Error(t, err)
	until(t, h, time.Minute, "a condition", func() bool { return says(health(t, h), "alarms do not reach webhook 127.0.0.1:1") })
	metrics := httptest.NewRecorder()
	h.Hub().Metrics().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	h.Expect(harness.BackupFailed(""))
	all := []any{log.String(), failed.Error(), err.Error(), metrics.Body.String(), report, health(t, h), h.Events()}
	for _, told := range all {
		b, err := json.Marshal(told)
		require.NoError(t, err)
		for _, word := range []string{"CANARY", "Q0FOQVJZ"} {
			require.NotContains(t, string(b)+fmt.Sprint(told), word)
		}
	}
	require.Contains(t, log.String(), "webhook 127.0.0.1:1")
}
