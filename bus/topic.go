package bus

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go"
)

// Conn is a NATS connection. The alias lets an embedder bring one along
// without a second import.
type Conn = nats.Conn

// Topic is a subject and the type of what travels on it, as JSON. Messages on a
// topic are best effort; events get their guarantees from the outbox and the
// stream.
type Topic[T any] struct{ subject string }

// The topics.
var (
	Events         = Topic[Event]{subject: SubjectEvents}
	ProgressEvents = Topic[Progress]{subject: SubjectProgress}
)

// Subject returns the NATS subject.
func (t Topic[T]) Subject() string { return t.subject }

// publish sends v to whoever listens now.
func (t Topic[T]) publish(nc *Conn, v T) error {
	data, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return nc.Publish(t.subject, data)
}

// subscribe listens from now on, with a buffer of so many messages of which a
// slow reader loses the oldest. What does not parse is left out. keep, if not
// nil, may leave out more.
func (t Topic[T]) subscribe(ctx context.Context, nc *Conn, buffer int, keep func(T) bool) (*Subscription[T], error) {
	sub, err := nc.SubscribeSync(t.subject)
	if err != nil {
		return nil, err
	}
	// The server must know of the subscription before the caller acts on it.
	if err := flush(ctx, nc); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	s := newSubscription[T](buffer)
	s.start(ctx, func(ctx context.Context) error {
		defer func() { _ = sub.Unsubscribe() }()
		return pump(ctx, sub, s, keep)
	})
	return s, nil
}

// pump moves messages from NATS to the subscription until the end.
func pump[T any](ctx context.Context, sub *nats.Subscription, s *Subscription[T], keep func(T) bool) error {
	var dropped int
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrSlowConsumer):
			now, _ := sub.Dropped()
			s.lost.Add(uint64(max(now-dropped, 0)))
			dropped = now
			continue
		case err != nil:
			return ErrClosed
		}
		var v T
		if json.Unmarshal(msg.Data, &v) == nil && (keep == nil || keep(v)) {
			s.offer(v)
		}
	}
}

// flush waits for a round trip, at most as long as ctx allows or five seconds.
func flush(ctx context.Context, nc *Conn) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return nc.FlushWithContext(ctx)
}
