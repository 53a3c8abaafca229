package agenthub_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/agenthub"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/jonboulle/clockwork"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// world is an agent hub and a connection for agents.
type world struct {
	t      *testing.T
	dir    string
	clock  *clockwork.FakeClock
	agents *nats.Conn
	hub    *agenthub.Hub
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), clock: clockwork.NewFakeClockAt(time.Now())}
	w.open()
	return w
}

// open opens the hub, and again after a close, and lets agents in.
func (w *world) open() {
	w.t.Helper()
	hub, err := agenthub.Open(w.t.Context(), agenthub.Config{
		Brock: app.Config{Data: filepath.Join(w.dir, "data"), Vault: filepath.Join(w.dir, "vault"), Schedule: "off",
			Wall: w.clock, Logger: slog.New(slog.DiscardHandler), MinFree: -1},
		Lease: time.Minute,
	})
	require.NoError(w.t, err)
	w.hub = hub
	w.t.Cleanup(func() { w.close(hub) })
	agent := hub.Brock.Credentials().Viewer
	w.agents, err = nats.Connect(hub.Brock.NATSURL(), nats.UserInfo(agent.User, agent.Password), nats.NoReconnect())
	require.NoError(w.t, err)
	w.t.Cleanup(w.agents.Close)
}

func (w *world) close(hub *agenthub.Hub) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(w.t, hub.Close(ctx))
}

type (
	task    = agenthub.Task
	message = agenthub.Message
	reading = agenthub.Reading
)

// status is the code of an answer that is an error.
type status string

func (s status) Error() string { return string(s) }

// ask sends a request as an agent would.
func ask[Out any](w *world, subject string, in any) (out Out, err error) {
	body, err := json.Marshal(in)
	require.NoError(w.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	msg, err := w.agents.RequestWithContext(ctx, subject, body)
	if err != nil {
		return out, err
	}
	if code := msg.Header.Get("Nats-Service-Error-Code"); code != "" {
		return out, errors.Join(status(code), errors.New(msg.Header.Get("Nats-Service-Error")))
	}
	return out, json.Unmarshal(msg.Data, &out)
}

// must is ask where no error is expected.
func must[Out any](w *world, subject string, in any) Out {
	w.t.Helper()
	out, err := ask[Out](w, subject, in)
	require.NoError(w.t, err)
	return out
}

func (w *world) submit(kind string) task {
	w.t.Helper()
	w.clock.Advance(time.Millisecond) // tasks are ordered by when they were submitted
	return must[task](w, "agents.task.submit", task{Kind: kind, Payload: json.RawMessage(`{"n":1}`)})
}

func (w *world) take(agent string) task {
	w.t.Helper()
	return must[task](w, "agents.task.take", task{Agent: agent})
}

func (w *world) finish(t task) (task, error) {
	return ask[task](w, "agents.task.finish", task{ID: t.ID, Token: t.Token, Result: json.RawMessage(`"ok"`)})
}

func (w *world) fail(t task, reason string) (task, error) {
	return ask[task](w, "agents.task.finish", task{ID: t.ID, Token: t.Token, Error: reason})
}

func (w *world) noTask() {
	w.t.Helper()
	_, err := ask[task](w, "agents.task.take", task{Agent: "nobody"})
	require.ErrorIs(w.t, err, status("404"))
}

// stored reads a table below the agent hub.
func stored[T any](w *world, table string) (all []T) {
	w.t.Helper()
	tb, err := w.hub.Brock.Table(table)
	require.NoError(w.t, err)
	for row, err := range app.JSON[T](tb).Scan(w.t.Context(), app.Range{}) {
		require.NoError(w.t, err)
		all = append(all, row.Value)
	}
	return all
}
