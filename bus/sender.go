package bus

import (
	"context"
	"sync/atomic"
)

const senderBuffer = 256

// sender publishes on a topic from its own goroutine, because a publish can wait for
// the network.
type sender[T any] struct {
	nc      *Conn
	topic   Topic[T]
	queue   chan T
	dropped atomic.Uint64
}

func newSender[T any](nc *Conn, topic Topic[T]) *sender[T] {
	return &sender[T]{nc: nc, topic: topic, queue: make(chan T, senderBuffer)}
}

// offer queues v, or drops it.
func (s *sender[T]) offer(v T) {
	select {
	case s.queue <- v:
	default:
		s.dropped.Add(1)
	}
}

func (s *sender[T]) run(ctx context.Context) {
	for {
		select {
		case v := <-s.queue:
			if !s.nc.IsConnected() || s.topic.publish(s.nc, v) != nil {
				s.dropped.Add(1)
			}
		case <-ctx.Done():
			return
		}
	}
}
