package harness

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/disk"
	"github.com/jonboulle/clockwork"
)

// patience bounds every wait of the harness that has no bound of its own. It only
// decides how soon a hanging test fails.
const patience = 30 * time.Second

// Harness is a hub under test. Its methods may be called from any goroutine, but
// those that start and stop the hub only from one at a time.
type Harness struct {
	// Dir holds all of the hub: the data in Dir/data, the vault in Dir/vault.
	Dir string
	// FS is what the hub's own files go through; see [FaultFS].
	FS *FaultFS
	// Clock is the hub's clock with [FakeClock], else nil.
	Clock *clockwork.FakeClock

	t      TB
	set    settings
	log    *logBuffer
	leaks  leaks
	events *eventLog
	probes *probes
	full   atomic.Bool

	mu        sync.Mutex
	hub       *app.Hub
	server    *bus.Server
	natsUp    chan struct{} // closed while NATS runs
	followed  chan struct{} // closed when nothing follows the hub's events any more
	unfollow  context.CancelFunc
	workloads map[string]*Workload
	clients   []*bus.Client
}

// New opens a hub in a temporary directory and closes it when the test ends. A
// test that failed shows the hub's log. Goroutines and files that outlive the hub
// make it fail.
func New(t TB, opts ...Option) *Harness {
	t.Helper()
	set := newSettings(opts)
	if set.dir == "" {
		set.dir = t.TempDir()
	}
	h := &Harness{Dir: set.dir, Clock: set.clock, t: t, set: set, log: &logBuffer{}, leaks: watchLeaks(set.dir),
		FS: newFaultFS(disk.Below(filepath.Join(set.dir, "data"), filepath.Join(set.dir, "vault")), t, set.dir), events: newEventLog(), probes: newProbes(t), workloads: map[string]*Workload{}}
	h.natsUp = make(chan struct{})
	t.Cleanup(h.cleanUp)
	if !set.stopped {
		h.Start()
	}
	return h
}

func (h *Harness) cleanUp() {
	h.t.Helper()
	h.Stop()
	h.leaks.check(h.t, !h.set.shared)
	if text := h.log.String(); h.t.Failed() && text != "" {
		h.t.Logf("the hub's log:\n%s", text)
	}
}

// Hub returns the running hub; the test fails when it is stopped.
func (h *Harness) Hub() *app.Hub {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hub == nil {
		h.t.Fatalf("harness: the hub is stopped")
	}
	return h.hub
}

// Context returns the test's context: it ends when the test does.
func (h *Harness) Context() context.Context { return h.t.Context() }

// Start opens the hub after [Harness.Stop]; an error fails the test.
func (h *Harness) Start() {
	h.t.Helper()
	if err := h.TryStart(); err != nil {
		h.t.Fatalf("harness: the hub does not start: %v", err)
	}
}

// TryStart is [Harness.Start] for hubs that may not come up.
func (h *Harness) TryStart() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := h.probes.handled(actors.BackupActor, Started)
	hub, err := app.Open(ctx, h.config())
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.hub = hub
	h.mu.Unlock()
	h.natsIsUp()
	h.follow(hub)
	if !h.probes.await(actors.BackupActor, Started, began+1) { // now its schedule is armed
		return errors.New("the backup actor did not start")
	}
	return nil
}

// config is the hub's configuration with the harness's hooks in it.
func (h *Harness) config() app.Config {
	c := h.set.config
	if c.Data == "" {
		c.Data = filepath.Join(h.Dir, "data")
	}
	if c.Vault == "" {
		c.Vault = filepath.Join(h.Dir, "vault")
	}
	if c.Logger == nil {
		c.Logger = h.log.logger()
	}
	if h.Clock != nil {
		c.Wall = h.Clock
	}
	c.Hooks.FS, c.Hooks.Actors = h.FS, h.configureActors
	c.Hooks.Server = func(s *bus.Server) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.server = s
	}
	return c
}

// Reconfigure changes the hub's configuration from its next start on.
func (h *Harness) Reconfigure(change func(*app.Config)) { change(&h.set.config) }

func (h *Harness) configureActors(c *actors.Config) {
	for _, change := range h.set.actors {
		change(c)
	}
	c.Probe = h.probes.deliver
	c.Store.Free = h.free
}

// Stop closes the hub, if it runs: what is held is let go first, faults stay. A
// hub that does not close cleanly fails the test.
func (h *Harness) Stop() {
	h.t.Helper()
	h.probes.releaseAll()
	h.FS.releaseAll()
	h.mu.Lock()
	hub, clients := h.hub, h.clients
	h.hub, h.server, h.clients = nil, nil, nil
	h.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
	if hub == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := hub.Close(ctx); err != nil {
		h.t.Errorf("harness: the hub did not close cleanly: %v", err)
	}
	h.unfollow()
	<-h.followed
	h.probes.forget()
}

// Restart stops the hub and opens it again.
func (h *Harness) Restart() {
	h.t.Helper()
	h.Stop()
	h.Start()
}

// Advance moves the clock of [FakeClock] on. Timers that are due fire behind it.
func (h *Harness) Advance(d time.Duration) {
	h.t.Helper()
	if h.Clock == nil {
		h.t.Fatalf("harness: only a hub with FakeClock can be advanced")
	}
	h.Clock.Advance(d)
}
