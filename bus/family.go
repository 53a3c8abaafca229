package bus

import (
	"context"
	"sync"
)

// family is the subscriptions of one bus or client. They end with it.
type family struct {
	ctx context.Context
	end context.CancelFunc

	mu     sync.Mutex
	closed bool
	open   sync.WaitGroup // Add under mu
}

func newFamily() *family {
	f := &family{}
	f.ctx, f.end = context.WithCancel(context.Background())
	return f
}

func (f *family) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.open.Add(1)
	return nil
}

// close ends the subscriptions and waits for them. No more are made.
func (f *family) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.end()
	f.open.Wait()
}

// follow makes a subscription that ends with ctx and with its family.
func follow[T any](ctx context.Context, f *family, subscribe func(context.Context) (*Subscription[T], error)) (*Subscription[T], error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(f.ctx, cancel)
	leave := func() {
		unhook()
		cancel()
		f.open.Done()
	}
	s, err := subscribe(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	go func() {
		<-s.done
		leave()
	}()
	return s, nil
}
