package harness

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/brockdb/brock/bus"
)

const (
	minFree = 1 << 20 // what the harness's hubs keep back
	plenty  = 1 << 40 // what they find free
)

func (h *Harness) free(string) (uint64, error) {
	if h.full.Load() {
		return 0, nil
	}
	return plenty, nil
}

// DiskFull fills the disk: tables find nothing free, and what Brock itself writes
// fails with ENOSPC, but for the events that wait for NATS: what happens on a full disk is
// to be heard of. The returned function frees it.
func (h *Harness) DiskFull() (free func()) {
	h.full.Store(true)
	rule := h.FS.On(OpWrite, "*")
	rule.skip = func(op FileOp) bool { return strings.HasPrefix(op.Path, "data/events/") }
	writes := rule.Fail(syscall.ENOSPC)
	return func() {
		writes.Lift()
		h.full.Store(false)
	}
}

// VaultReadOnly makes the vault's file system refuse every change. The returned
// function undoes it.
func (h *Harness) VaultReadOnly() (undo func()) {
	rule := h.FS.On(AnyChange, "vault/*")
	rule.skip = func(op FileOp) bool { // of a folder that exists it makes nothing
		info, err := os.Stat(filepath.Join(h.Dir, filepath.FromSlash(op.Path)))
		return op.Kind == OpMkdir && err == nil && info.IsDir()
	}
	return rule.Fail(syscall.EROFS).Lift
}

// LoseTable removes a table's folder, as an unmounted disk would. The hub must be
// stopped.
func (h *Harness) LoseTable(name string) {
	h.t.Helper()
	h.mu.Lock()
	running := h.hub != nil
	h.mu.Unlock()
	if running {
		h.t.Fatalf("harness: stop the hub before a table is lost")
	}
	if err := os.RemoveAll(filepath.Join(h.config().Data, "tables", name)); err != nil {
		h.t.Fatalf("harness: %v", err)
	}
}

// StopNATS takes the hub's NATS server down until [Harness.StartNATS].
func (h *Harness) StopNATS() {
	h.t.Helper()
	h.mu.Lock()
	h.natsUp = make(chan struct{})
	h.mu.Unlock()
	h.nats("stop", (*bus.Server).Stop)
}

// StartNATS starts the hub's NATS server again, on its old address.
func (h *Harness) StartNATS() {
	h.t.Helper()
	h.nats("start", (*bus.Server).Restart)
	h.natsIsUp()
}

// natsIsUp lets go whoever waits for NATS.
func (h *Harness) natsIsUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.natsUp:
	default:
		close(h.natsUp)
	}
}

// natsRuns returns a channel that is closed while NATS runs.
func (h *Harness) natsRuns() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.natsUp
}

func (h *Harness) nats(what string, do func(*bus.Server, context.Context) error) {
	h.t.Helper()
	h.mu.Lock()
	server := h.server
	h.mu.Unlock()
	if server == nil {
		h.t.Fatalf("harness: the hub runs no NATS server")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := do(server, ctx); err != nil {
		h.t.Fatalf("harness: %s NATS: %v", what, err)
	}
}

// Client connects to the hub over NATS with the rights of a role. It is closed
// with the hub.
func (h *Harness) Client(role bus.Role) *bus.Client {
	h.t.Helper()
	hub := h.Hub()
	cred, ok := hub.Credentials().Role(role)
	if !ok {
		h.t.Fatalf("harness: there is no role %q", role)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := bus.Dial(ctx, hub.NATSURL(), cred, role)
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients = append(h.clients, c)
	return c
}

// SlowSubscriber subscribes to events with room for one and to progress, as a
// viewer over NATS, and reads neither: read the events when it shall catch up.
func (h *Harness) SlowSubscriber() *bus.Subscription[bus.Event] {
	h.t.Helper()
	c := h.Client(bus.Viewer)
	if _, err := c.Progress(context.Background()); err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	events, err := c.Events(context.Background(), bus.SubscribeOptions{Buffer: 1})
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	return events
}
