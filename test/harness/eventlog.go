package harness

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
)

// eventLog holds every event of the hub, over all its restarts, once.
type eventLog struct {
	mu     sync.Mutex
	events []app.Event
	seen   map[string]bool
	more   chan struct{} // closed when something comes
	next   int           // what [Harness.Expect] looks at next
	broken error         // why no more can come
}

func newEventLog() *eventLog {
	return &eventLog{seen: map[string]bool{}, more: make(chan struct{})}
}

func (l *eventLog) add(e app.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[e.ID] {
		return
	}
	l.seen[e.ID] = true
	l.events = append(l.events, e)
	l.wake()
}

// breaks notes why no more events come; nil: they come again.
func (l *eventLog) breaks(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
	l.wake()
}

func (l *eventLog) wake() {
	close(l.more)
	l.more = make(chan struct{})
}

// follow reads the hub's events until it closes. It begins with the oldest that
// the stream keeps, so neither what came before this call nor what a closing hub
// still said is missed.
func (h *Harness) follow(hub *app.Hub) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	h.unfollow, h.followed = cancel, done
	h.events.breaks(nil)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := h.read(ctx, hub)
			if lasting(err) {
				h.events.breaks(err)
				return
			}
			select { // NATS was taken away before the subscription was made
			case <-h.natsRuns():
			case <-ctx.Done():
			}
		}
	}()
}

// read reads events until it cannot.
func (h *Harness) read(ctx context.Context, hub *app.Hub) error {
	for e, err := range hub.Events(ctx, time.UnixMilli(1)) {
		if err != nil {
			return err
		}
		h.events.add(e)
	}
	return ctx.Err()
}

// lasting says whether an error of following events will not pass.
func lasting(err error) bool {
	for _, e := range []error{app.ErrClosed, app.ErrInvalid, bus.ErrClosed, bus.ErrNoStream} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Events returns the events that have come so far, over all restarts.
func (h *Harness) Events() []app.Event {
	h.events.mu.Lock()
	defer h.events.mu.Unlock()
	return append([]app.Event(nil), h.events.events...)
}
