package bus

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"
)

// Moment is one step of following the events: an event, or something about those that
// come. Exactly one field is set.
type Moment struct {
	Event *Event
	Lost  *Lost
	Live  bool // what comes from here on happened after the following began; comes once
}

// Lost says that events are missing here, for they are kept no longer.
type Lost struct {
	Missed uint64 // how many; 0 where nobody knows
}

// Follow hands over events as [Bus.Subscribe] does, and among them, in order, what became of
// the replay: where it has reached what is live, and where events are missing. A replay
// that a NATS without JetStream cannot give is lost, and no error. A slow reader is waited
// for. Errors: ErrConfig, ErrClosed, or that NATS is away just now.
func (b *Bus) Follow(ctx context.Context, opts SubscribeOptions) (*Subscription[Moment], error) {
	return follow(ctx, b.subs, func(ctx context.Context) (*Subscription[Moment], error) {
		return followMoments(ctx, b.events, opts, !b.cfg.CoreOnly, b.log)
	})
}

func followMoments(ctx context.Context, nc *Conn, opts SubscribeOptions, stream bool, log *slog.Logger) (*Subscription[Moment], error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	r := &reader{nc: nc, js: js, log: log}
	at, err := place{}, ErrNoStream
	if stream {
		at, err = r.seek(ctx, opts)
	}
	if errors.Is(err, ErrNoStream) {
		return passingMoments(ctx, nc, opts)
	}
	if err != nil {
		return nil, err
	}
	s := newSubscription[Moment](opts.Buffer)
	s.start(ctx, func(ctx context.Context) error { return pumpMoments(ctx, r, at, s) })
	return s, nil
}

// pumpMoments moves events from the stream to s, as pumpEvents does.
func pumpMoments(ctx context.Context, r *reader, at place, s *Subscription[Moment]) error {
	defer r.stop()
	seen := newRecent(recentIDs)
	live := false
	reach := func(head bool) error {
		if live || !head {
			return nil
		}
		live = true
		return s.deliver(ctx, Moment{Live: true})
	}
	if at.unknown {
		if err := s.deliver(ctx, Moment{Lost: &Lost{}}); err != nil {
			return err
		}
	}
	if err := reach(at.empty); err != nil {
		return err
	}
	for {
		msg, pos, err := r.read(ctx)
		if err != nil {
			return err
		}
		if pos.missing > 0 {
			if err := s.deliver(ctx, Moment{Lost: &Lost{pos.missing}}); err != nil {
				return err
			}
		}
		if err := reach(pos.seq > at.last); err != nil { // what was to be replayed is gone
			return err
		}
		var e Event
		if json.Unmarshal(msg.Data(), &e) == nil && seen.add(e.ID) {
			if err := s.deliver(ctx, Moment{Event: &e}); err != nil {
				return err
			}
		}
		if err := reach(pos.seq >= at.last || pos.pending == 0); err != nil {
			return err
		}
	}
}

// passingMoments follows events as they pass by.
func passingMoments(ctx context.Context, nc *Conn, opts SubscribeOptions) (*Subscription[Moment], error) {
	seen := newRecent(recentIDs)
	passing, err := Events.subscribe(ctx, nc, opts.Buffer, func(e Event) bool { return seen.add(e.ID) })
	if err != nil {
		return nil, err
	}
	s := newSubscription[Moment](1) // what waits is in the other one
	s.start(ctx, func(ctx context.Context) error {
		defer passing.Close()
		first := []Moment{{Live: true}}
		if opts.replays() {
			first = []Moment{{Lost: &Lost{}}, {Live: true}}
		}
		for _, m := range first {
			if err := s.deliver(ctx, m); err != nil {
				return err
			}
		}
		for {
			m := Moment{}
			e, err := passing.Next(ctx)
			var lost *LostError
			switch {
			case errors.As(err, &lost):
				m.Lost = &Lost{lost.Lost}
			case err != nil:
				return err
			default:
				m.Event = &e
			}
			if err := s.deliver(ctx, m); err != nil {
				return err
			}
		}
	})
	return s, nil
}
