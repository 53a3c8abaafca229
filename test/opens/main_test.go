// Package opens has hubs that start on damaged stores, and processes that die while a
// table is opened.
package opens

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

const childVar = "BROCK_OPENS_CHILD"

func TestMain(m *testing.M) {
	if told := os.Getenv(childVar); told != "" {
		child(told)
		return
	}
	os.Exit(m.Run())
}

var ctx = context.Background()

var tables = []string{"hurt", "one", "two"}

func config(dir string) app.Config {
	return app.Config{Data: dir, Vault: filepath.Join(filepath.Dir(dir), "vault"), Tables: tables, Offline: true, MinFree: -1, LogInterval: -1, Logger: slog.New(slog.DiscardHandler)}
}

func open(t *testing.T, c app.Config) *app.Hub {
	h, err := app.Open(ctx, c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close(ctx) })
	return h
}

func put(t *testing.T, h *app.Hub, table, key, value string) {
	tb, err := h.Table(table)
	require.NoError(t, err)
	_, err = tb.Put(ctx, []byte(key), []byte(value))
	require.NoError(t, err)
}

func get(h *app.Hub, table, key string) (string, error) {
	tb, err := h.Table(table)
	if err != nil {
		return "", err
	}
	r, err := tb.Get(ctx, []byte(key))
	return string(r.Value), err
}

// filled is the directory of a hub whose tables have a record each.
func filled(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "data")
	h := open(t, config(dir))
	for _, name := range tables {
		put(t, h, name, "k", "v")
	}
	require.NoError(t, h.Close(ctx))
	return dir
}

// order is what a child gets told.
type order struct {
	Dir   string
	Table string        // it dies when Badger opens this one; "" for none
	After time.Duration // so much later
}

// child runs a hub until it dies, or its input ends.
func child(told string) {
	var o order
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		fmt.Println("error", err)
		return
	}
	c := config(o.Dir)
	c.Logger = slog.New(deadly{order: &o})
	c.Wall = hasty{clockwork.NewRealClock()}
	h, err := app.Open(ctx, c)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := h.Close(ctx); err != nil {
		fmt.Println("error", err)
	}
}

// hasty lets timers come ten times as early.
type hasty struct{ clockwork.Clock }

func (c hasty) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	return c.Clock.AfterFunc(d/10, f)
}

// deadly ends the process when Badger, deep in its open, says so of the table.
type deadly struct {
	order *order
	table string
}

func (deadly) Enabled(context.Context, slog.Level) bool { return true }
func (d deadly) WithGroup(string) slog.Handler          { return d }

func (d deadly) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "table" {
			d.table = a.Value.String()
		}
	}
	return d
}

func (d deadly) Handle(_ context.Context, r slog.Record) error {
	if d.table == "" || d.table != d.order.Table || len(r.Message) < 20 || r.Message[:20] != "badger: Set nextTxnT" {
		return nil
	}
	if d.order.After > 0 {
		time.AfterFunc(d.order.After, die)
	} else {
		die()
	}
	return nil
}

func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// start runs a child until it is ready, after which it has some time to die, and says
// whether it lived. Then it is closed well.
func start(t *testing.T, o order, grace time.Duration) (lived bool) {
	told, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended, lines := make(chan struct{}), bufio.NewScanner(out)
	ready := lines.Scan()
	if ready {
		require.Equal(t, "ready", lines.Text())
	}
	go func() {
		defer close(ended)
		for lines.Scan() {
			t.Error(lines.Text())
		}
	}()
	select {
	case <-ended:
	case <-time.After(grace):
		_ = in.Close()
		<-ended
	}
	err = cmd.Wait()
	return ready && err == nil
}
