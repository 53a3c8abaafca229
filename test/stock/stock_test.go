// Package stock works with a hub through the stock nats client, as a stranger would.
package stock

import (
	"context"
	"encoding/json"
	"log/slog"
	"os/exec"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

type client struct {
	t    *testing.T
	path string
	url  string
	cred bus.Credential
}

// run runs the client and returns what it printed.
func (c client) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Env = []string{"HOME=" + c.t.TempDir(), "NATS_URL=" + c.url, "NATS_USER=" + c.cred.User, "NATS_PASSWORD=" + c.cred.Password}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c client) as(cred bus.Credential) client { c.cred = cred; return c }

func TestTheStockClient(t *testing.T) {
	path, err := exec.LookPath("nats")
	if err != nil {
		t.Skip("needs the nats client (go install github.com/nats-io/natscli/nats@v0.5.1)")
	}
	h, err := app.Open(context.Background(), app.Config{Data: t.TempDir(), MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(context.Background())) }()
	creds := h.Credentials()
	viewer := client{t: t, path: path, url: h.NATSURL(), cred: creds.Viewer}
	operator := viewer.as(creds.Operator)

	out, err := viewer.run("micro", "ls")
	require.NoError(t, err, out)
	require.Contains(t, out, "brock")

	out, err = operator.run("req", "brock.hub.backup", "", "--raw", "--timeout", "20s")
	require.NoError(t, err, out)
	var run app.Run
	require.NoError(t, json.Unmarshal([]byte(out), &run), out)
	require.Equal(t, app.StatusComplete, run.Status)

	// The dashboard that comes late sees the same run.
	out, err = viewer.run("sub", "backups", "--last", "--count", "1", "--raw")
	require.NoError(t, err, out)
	require.Contains(t, out, `"type":"backup_complete"`)
	require.Contains(t, out, run.ID)

	out, err = operator.run("req", "brock.hub.backup", `{"tables":["nope"]}`, "--timeout", "20s")
	require.NoError(t, err, out)
	require.Contains(t, out, "unknown_table")

	out, _ = viewer.run("req", "brock.hub.backup", "", "--timeout", "2s")
	require.NotContains(t, out, `"run"`, "a viewer starts no backup")
	out, err = viewer.as(bus.Credential{User: "viewer", Password: "wrong"}).run("req", "brock.hub.health", "")
	require.Error(t, err, out)
	require.Contains(t, out, "Authorization")
}
