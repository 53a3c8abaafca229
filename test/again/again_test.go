// Package again opens, uses and closes hubs again and again in one process: what they
// take of it they give back.
package again

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

var times = flag.Int("times", 3, "how often to open, use and close a hub")

// use is a hub's life with a bit of everything in it.
func use(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h, err := app.Open(ctx, app.Config{Data: dir, Tables: []string{"a", "b"}, HTTPAddr: "127.0.0.1:0", Schedule: "off", MinFree: -1,
		LogInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(ctx)) }()
	tb, err := h.Table("a")
	require.NoError(t, err)
	_, err = tb.PutUntil(ctx, []byte("due"), []byte("v"), time.Now().Add(time.Hour))
	require.NoError(t, err)
	v, err := tb.Put(ctx, []byte("k"), []byte("v"))
	require.NoError(t, err)
	_, err = h.Backup(ctx)
	require.NoError(t, err)
	_, err = h.Drill(ctx)
	require.NoError(t, err)
	_, err = h.Compact(ctx, "b")
	require.NoError(t, err)
	past, err := h.TableAt(ctx, "a", v.Time().Format(time.RFC3339Nano))
	require.NoError(t, err)
	past.Close()
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"a"}})
	require.NoError(t, err)
	for range tb.Scan(ctx, app.Range{Limit: 1}) { // it is left before its end
		break
	}
	for _, err := range h.Events(ctx, time.UnixMilli(1)) {
		require.NoError(t, err)
		break
	}
	ask(ctx, t, h)
}

// ask asks over HTTP and NATS, and leaves in the middle of what goes on.
func ask(ctx context.Context, t *testing.T, h *app.Hub) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/api/admin/health", "/metrics", "/events?since=1h"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.HTTPURL()+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+h.Credentials().Viewer.Token)
		res, err := client.Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		_, err = io.ReadFull(res.Body, make([]byte, 8))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	cred, _ := h.Credentials().Role(bus.Admin)
	c, err := bus.Dial(ctx, h.NATSURL(), cred, bus.Admin)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Events(ctx, bus.SubscribeOptions{All: true})
	require.NoError(t, err)
	require.NoError(t, c.Request(ctx, h.Name(), "records.scan", map[string]string{"table": "a"}, nil))
}

// figures are what a process has of what can leak.
type figures struct{ goroutines, files int }

func now() (f figures) {
	f.goroutines = runtime.NumGoroutine()
	if open, err := os.ReadDir("/proc/self/fd"); err == nil { // elsewhere only goroutines are counted
		f.files = len(open)
	}
	return f
}

// TestNothingIsLeft also reopens what another life has left, for that is how hubs are used.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	use(t, dir) // what libraries start once, and keep
	var before figures
	settle(t, "the first hub", func() bool {
		was := before
		before = now()
		return was == before
	})
	for i := range *times {
		use(t, dir)
		settle(t, "a later hub", func() bool {
			after := now()
			return after.goroutines <= before.goroutines && after.files <= before.files
		})
		if t.Failed() {
			stacks := make([]byte, 1<<20)
			t.Logf("hub %d: %+v, before %+v\n%s", i, now(), before, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
	t.Logf("%d hubs: %+v before, %+v after", *times, before, now())
}

// settle gives goroutines that are about to end the time to.
func settle(t *testing.T, what string, same func() bool) {
	t.Helper()
	end := time.NewTimer(10 * time.Second)
	defer end.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !same() {
		select {
		case <-look.C:
		case <-end.C:
			t.Errorf("%s leaves something behind", what)
			return
		}
	}
}
