// Package busfaults takes the bus away from a hub, and its clients, and its store, while
// backups go on.
package busfaults

import (
	"context"
	"encoding/json"
	"flag"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second

var (
	rounds   = flag.Int("rounds", 3, "how often the bus is taken away")
	triggers = flag.Int("triggers", 10_000, "backups that are asked for at once")
)

func TestMain(m *testing.M) { harness.Main(m) }

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// heap is what is alive after a collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// runOf is the run that an event tells of.
func runOf(t *testing.T, e bus.Event) string {
	t.Helper()
	var d struct {
		Run string `json:"run"`
	}
	require.NoError(t, json.Unmarshal(e.Detail, &d))
	return d.Run
}

// completes reads events until those of all runs have come, and holds them to their
// order: each once, none before one that came about earlier.
func completes(t *testing.T, s *bus.Subscription[bus.Event], runs []string) {
	t.Helper()
	ctx := bounded(t)
	for _, want := range runs {
		for {
			e, err := s.Next(ctx)
			require.NoError(t, err, "the event of run %s", want)
			if e.Type == bus.BackupComplete {
				require.Equal(t, want, runOf(t, e))
				break
			}
		}
	}
}

// back backs up n times, each time something new, and returns the runs.
func back(h *harness.Harness, n int) (runs []string) {
	for range n {
		h.Put("a", "k", time.Now().Format(time.RFC3339Nano))
		runs = append(runs, h.Backup().ID)
	}
	return runs
}

// proxy stands between a client and the hub, and cuts the wire when it is told.
type proxy struct {
	l     net.Listener
	conns chan net.Conn
}

func newProxy(t *testing.T, h *app.Hub) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{l: l, conns: make(chan net.Conn, 1024)}
	to := h.NATSURL()[len("nats://"):]
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.conns <- in
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		p.cut()
	})
	return p
}

func pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) url() string { return "nats://" + p.l.Addr().String() }

// cut ends every connection that there is.
func (p *proxy) cut() {
	for {
		select {
		case c := <-p.conns:
			_ = c.Close()
		default:
			return
		}
	}
}
