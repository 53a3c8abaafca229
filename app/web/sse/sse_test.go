package sse

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a bus on a NATS server of its own, and the handler behind a listener.
type world struct {
	t     *testing.T
	bus   *bus.Bus
	url   string
	clock *clockwork.FakeClock
	ended chan error // of each answer
}

func newWorld(t *testing.T, change func(*Config, *httptest.Server)) *world {
	t.Helper()
	ctx := context.Background()
	server, err := bus.StartServer(ctx, bus.ServerConfig{Hub: "hub", Addr: "127.0.0.1:0", StoreDir: t.TempDir(), Credentials: bus.NewCredentials()})
	require.NoError(t, err)
	w := &world{t: t, clock: clockwork.NewFakeClock(), ended: make(chan error, 16)}
	w.bus, err = bus.Open(ctx, bus.Config{Hub: "hub", OutboxDir: t.TempDir(), Server: server})
	require.NoError(t, err)
	cfg := Config{Source: w.bus, Wall: w.clock}
	web := httptest.NewUnstartedServer(nil)
	if change != nil {
		change(&cfg, web)
	}
	h := New(cfg)
	web.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		err := h.Serve(out, r)
		var e *bus.Error
		if errors.As(err, &e) {
			out.WriteHeader(e.Status)
		}
		w.ended <- err
	})
	web.Start()
	w.url = web.URL
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		require.NoError(t, w.bus.Close(ctx))
		require.NoError(t, server.Close(ctx))
	})
	return w
}

func (w *world) get(query string) *http.Response {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", w.url+query, nil)
	require.NoError(w.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (w *world) publish(text string) bus.Event {
	w.t.Helper()
	e, err := bus.NewEvent(bus.BackupStale, "hub", time.Now(), map[string]string{"text": text})
	require.NoError(w.t, err)
	require.NoError(w.t, w.bus.Publish(e))
	return e
}

// await reads until the text has come.
func await(t *testing.T, in *bufio.Reader, text string) string {
	t.Helper()
	var all strings.Builder
	for from := 0; !strings.Contains(all.String()[from:], text); {
		from = max(0, all.Len()-len(text))
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		all.WriteString(line)
	}
	return all.String()
}

func TestFramesAreAsWrittenDown(t *testing.T) {
	w := newWorld(t, nil)
	in := bufio.NewReader(w.get("").Body)
	require.Equal(t, "retry: 1000\n\nevent: live\n", await(t, in, "live\n"))
	e := w.publish("a\nb\r<script>")
	data, err := e.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, "data: {}\n\nid: "+e.ID+"\nevent: backup_stale\ndata: "+string(data)+"\n", await(t, in, "script>"))
	w.bus.Progress(bus.Progress{Run: "r", Table: "a", Stage: "copy", Done: 1, Total: 2})
	require.Equal(t, "\nevent: progress\ndata: "+`{"run":"r","table":"a","stage":"copy","done":1,"total":2}`+"\n", await(t, in, "total"))
}

func TestHeartbeats(t *testing.T) {
	w := newWorld(t, nil)
	in := bufio.NewReader(w.get("").Body)
	await(t, in, "data: {}\n\n")
	for range 3 {
		w.clock.Advance(15 * time.Second)
		require.Equal(t, ": \n\n", await(t, in, ": \n\n"))
	}
}

// A client that takes nothing is dropped, others notice nothing, and what it missed it
// gets when it is back.
func TestASlowClientIsDropped(t *testing.T) {
	w := newWorld(t, func(c *Config, s *httptest.Server) {
		c.Patience = 2 * time.Second
		s.Config.ConnState = func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
			}
		}
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
	require.NoError(t, err)
	await(t, bufio.NewReader(c), "data: {}\n\n")
	other := bufio.NewReader(w.get("").Body)
	await(t, other, "data: {}\n\n")

	read := make(chan error, 1) // the other one reads all the time
	go func() {
		for {
			if line, err := other.ReadString('\n'); err != nil || strings.Contains(line, `"text":"last"`) {
				read <- err
				return
			}
		}
	}()
	first := w.publish("first")
	for range 300 {
		w.publish(strings.Repeat("x", 16<<10))
	}
	w.publish("last")
	require.NoError(t, <-read)
	require.NoError(t, <-w.ended, "the slow one's answer")
	require.Empty(t, w.ended, "the other one's goes on")

	missed := await(t, bufio.NewReader(w.get("?last_event_id="+first.ID).Body), "event: live")
	require.Equal(t, 301, strings.Count(missed, "\nid: "))
	require.NotContains(t, missed, first.ID)
	require.NotContains(t, missed, "lost")
}

func TestClientsAreLimited(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *httptest.Server) { c.Clients = 2 })
	first := w.get("")
	second := w.get("")
	require.Equal(t, http.StatusOK, second.StatusCode)
	third := w.get("")
	require.Equal(t, http.StatusTooManyRequests, third.StatusCode)
	require.Equal(t, "5", third.Header.Get("Retry-After"))
	require.Error(t, <-w.ended)
	_ = first.Body.Close()
	require.NoError(t, <-w.ended)
	require.Equal(t, http.StatusOK, w.get("").StatusCode)
}

// What nobody of the hub has written breaks no frame.
func TestForeignEventsBreakNoFrame(t *testing.T) {
	rec := httptest.NewRecorder()
	f := &frames{w: rec, control: http.NewResponseController(rec), patience: time.Second}
	for _, e := range []bus.Event{
		{Type: "x", ID: "a\ndata: b", Hub: "hub"}, {Type: "x\r\ny", ID: "a", Hub: "hub"}, {Type: "x", ID: "a\x00", Hub: "hub"}, {},
	} {
		require.NoError(t, f.event(&e))
	}
	require.Empty(t, rec.Body.String())
}
