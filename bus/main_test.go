package bus

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	_ "github.com/brockdb/brock/test/roomy"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	testHub  = "alpha"
	patience = 30 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server, a bus and what tests need around them.
type world struct {
	t      *testing.T
	creds  Credentials
	server *Server
	logs   *logBuffer
	outbox string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, creds: NewCredentials(), logs: &logBuffer{}, outbox: t.TempDir()}
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir()})
	return w
}

func (w *world) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *world) startServer(cfg ServerConfig) *Server {
	w.t.Helper()
	cfg.Hub, cfg.Addr, cfg.Credentials, cfg.Logger = testHub, "127.0.0.1:0", w.creds, w.log()
	s, err := StartServer(w.ctx(), cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, s.Close(context.Background())) })
	return s
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) bus() *Bus {
	w.t.Helper()
	return w.open(Config{Server: w.server})
}

func (w *world) open(cfg Config) *Bus {
	w.t.Helper()
	cfg.Hub, cfg.Logger = testHub, w.log()
	if cfg.OutboxDir == "" {
		cfg.OutboxDir = w.outbox
	}
	b, err := Open(w.ctx(), cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

func (w *world) client(role Role) *Client {
	w.t.Helper()
	cred, _ := w.creds.Role(role)
	c, err := Dial(w.ctx(), w.server.URL(), cred, role)
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// raw is a stock NATS connection as a role.
func (w *world) raw(role Role, opts ...nats.Option) *rawConn {
	w.t.Helper()
	cred, _ := w.creds.Role(role)
	r := &rawConn{t: w.t, errs: make(chan error, 64)}
	opts = append(opts, nats.UserInfo(cred.User, cred.Password),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { r.errs <- err }))
	nc, err := nats.Connect(w.server.URL(), opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(nc.Close)
	r.Conn = nc
	return r
}

type rawConn struct {
	*nats.Conn
	t    *testing.T
	errs chan error
}

// denied waits until the server refuses what was just done.
func (r *rawConn) denied(what string) {
	r.t.Helper()
	require.NoError(r.t, r.Flush())
	select {
	case err := <-r.errs:
		require.ErrorIs(r.t, err, nats.ErrPermissionViolation, what)
	case <-time.After(patience):
		r.t.Fatalf("%s was not refused", what)
	}
}

// allowed checks that the server took what was just done.
func (r *rawConn) allowed(what string) {
	r.t.Helper()
	require.NoError(r.t, r.Flush())
	select {
	case err := <-r.errs:
		r.t.Fatalf("%s was refused: %v", what, err)
	default:
	}
}

type numbered struct {
	N int `json:"n"`
}

func event(t *testing.T, n int) Event {
	t.Helper()
	e, err := NewEvent(BackupComplete, testHub, time.Now(), numbered{n})
	require.NoError(t, err)
	return e
}

func number(t *testing.T, e Event) int {
	t.Helper()
	var v numbered
	require.NoError(t, e.Decode(&v))
	return v.N
}

// publish publishes the numbers from..to and returns their ids.
func publish(t *testing.T, b *Bus, from, to int) []string {
	t.Helper()
	var ids []string
	for n := from; n <= to; n++ {
		e := event(t, n)
		ids = append(ids, e.ID)
		require.NoError(t, b.Publish(e))
	}
	return ids
}

// expect reads the numbers from..to, in order, and nothing else between.
func expect(t *testing.T, s *Subscription[Event], from, to int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for n := from; n <= to; n++ {
		e, err := s.Next(ctx)
		require.NoError(t, err, "event %d", n)
		require.Equal(t, n, number(t, e))
	}
}

// stored reads the whole stream as the viewer.
func (w *world) stored(want int) {
	w.t.Helper()
	s, err := w.client(Viewer).Events(w.ctx(), SubscribeOptions{All: true})
	require.NoError(w.t, err)
	defer s.Close()
	expect(w.t, s, 1, want)
	r := w.raw(Viewer)
	js, err := r.JetStream()
	require.NoError(w.t, err)
	info, err := js.StreamInfo(StreamName)
	require.NoError(w.t, err)
	require.EqualValues(w.t, want, info.State.Msgs)
}

// eventually waits for a condition that no event tells of.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond, what)
}

type logBuffer struct {
	mu   sync.Mutex
	text []byte
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

var _ io.Writer = (*logBuffer)(nil)
