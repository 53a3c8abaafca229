package app

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/brockdb/brock/bus"
)

// Event is a final fact on the subject backups; see the bus package for its types.
type Event = bus.Event

// Events yields the hub's events as they come over NATS, those since the given
// time first where it is not zero. It ends with ctx, when the hub closes, or after
// an error.
func (h *Hub) Events(ctx context.Context, since time.Time) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if h.bus == nil {
			yield(Event{}, fmt.Errorf("%w: an offline hub has no bus", ErrInvalid))
			return
		}
		sub, err := h.bus.Subscribe(ctx, bus.SubscribeOptions{Since: since})
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer sub.Close()
		for {
			e, err := sub.Next(ctx)
			if ctx.Err() != nil || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Subscribe is [Hub.Events] as a subscription that is live on return, for those
// who must not miss what they cause next.
func (h *Hub) Subscribe(ctx context.Context) (*bus.Subscription[Event], error) {
	if h.bus == nil {
		return nil, fmt.Errorf("%w: an offline hub has no bus", ErrInvalid)
	}
	return h.bus.Subscribe(ctx, bus.SubscribeOptions{})
}
