package bus

import (
	"context"
	"sync"
	"sync/atomic"
)

const defaultBuffer = 256

// Subscription is a stream of typed messages to one reader. Read it with Next,
// or from C. Close it when done; it also ends with the context that it was
// made with, and with its bus or client.
type Subscription[T any] struct {
	out    chan T
	lost   atomic.Uint64
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	told uint64 // of lost, guarded by mu
	err  error  // guarded by mu
}

func newSubscription[T any](buffer int) *Subscription[T] {
	if buffer <= 0 {
		buffer = defaultBuffer
	}
	return &Subscription[T]{out: make(chan T, buffer), done: make(chan struct{})}
}

// start runs pump, the only one that fills and closes C, until it returns.
func (s *Subscription[T]) start(ctx context.Context, pump func(context.Context) error) {
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		defer s.cancel()
		err := pump(ctx)
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		close(s.out)
	}()
}

// C returns the channel of messages. It is closed at the end; Err tells why.
func (s *Subscription[T]) C() <-chan T { return s.out }

// Next waits for a message. After a hole it returns a *LostError once and then
// goes on. At the end it returns the subscription's error; when ctx ends first,
// ctx's.
func (s *Subscription[T]) Next(ctx context.Context) (T, error) {
	var zero T
	if err := s.tellLost(); err != nil {
		return zero, err
	}
	select {
	case v, ok := <-s.out:
		if !ok {
			return zero, s.endError()
		}
		return v, nil
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

func (s *Subscription[T]) tellLost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.lost.Load()
	if lost == s.told {
		return nil
	}
	err := &LostError{Lost: lost - s.told}
	s.told = lost
	return err
}

func (s *Subscription[T]) endError() error {
	if err := s.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// Dropped returns how many messages this reader has missed so far.
func (s *Subscription[T]) Dropped() uint64 { return s.lost.Load() }

// Err returns why the subscription ended: nil while it runs, ErrClosed or the
// context's error after a close, else what went wrong.
func (s *Subscription[T]) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the subscription and waits until it has ended. Twice is fine.
func (s *Subscription[T]) Close() {
	s.cancel()
	<-s.done
}

// offer hands v over without waiting: when the buffer is full, its oldest
// message goes.
func (s *Subscription[T]) offer(v T) {
	for {
		select {
		case s.out <- v:
			return
		default:
		}
		select {
		case <-s.out:
			s.lost.Add(1)
		default:
		}
	}
}

// deliver hands v over and waits for room.
func (s *Subscription[T]) deliver(ctx context.Context, v T) error {
	select {
	case s.out <- v:
		return nil
	case <-ctx.Done():
		return ErrClosed
	}
}

// recent remembers the last ids that went to a subscriber.
type recent struct {
	ids  map[string]struct{}
	ring []string
	at   int
}

func newRecent(size int) *recent {
	return &recent{ids: make(map[string]struct{}, size), ring: make([]string, size)}
}

// add returns false when id was seen among the last ones.
func (r *recent) add(id string) bool {
	if _, seen := r.ids[id]; seen {
		return false
	}
	delete(r.ids, r.ring[r.at])
	r.ring[r.at] = id
	r.ids[id] = struct{}{}
	r.at = (r.at + 1) % len(r.ring)
	return true
}
