package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/brockdb/brock/app"
)

// Alarms leave the process by webhooks, a command and a heartbeat. TestAlert says
// whether they arrive.
func ExampleHub_TestAlert() {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var alarm struct{ Type, Hub, Text string }
		if err := json.NewDecoder(r.Body).Decode(&alarm); err != nil {
			log.Fatal(err)
		}
		fmt.Println("received:", alarm.Type, "|", alarm.Text)
	}))
	defer receiver.Close()
	data, err := os.MkdirTemp("", "brock")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)

	ctx := context.Background()
	hub, err := app.Open(ctx, app.Config{
		Data: data, Tables: []string{"jobs"}, Logger: slog.New(slog.DiscardHandler),
		Alerts: app.Alerts{Webhooks: []app.Webhook{{URL: receiver.URL}}, Command: []string{"/bin/sh", "-c", "cat > /dev/null"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	report, err := hub.TestAlert(ctx)
	fmt.Println(report.Status, len(report.Channels), err)
	// Output:
	// received: alert_test | hub hub: this is a test of the alarms; nothing is wrong
	// ok 2 <nil>
}
