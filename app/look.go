package app

import (
	"sync"
	"time"
)

// lookPatience is how long somebody who asks for health waits for a disk.
const lookPatience = 700 * time.Millisecond

// looker looks at what may hang, such as a disk, for those who must not. One look is
// under way at a time: a disk that hangs holds one goroutine, however many ask.
type looker[T any] struct {
	look  func() T
	begin func() (done func(), err error) // lets the goroutine in, whose end Close waits for

	mu     sync.Mutex
	flight *flight // under way; nil: none
	last   T
	known  bool
}

type flight struct {
	began time.Time
	done  chan struct{}
}

// glimpse is what a looker has seen.
type glimpse[T any] struct {
	seen  T
	known bool          // false: nothing was ever seen
	hangs time.Duration // since then the look has been under way; 0: what is seen is of now
}

// get looks. Where that takes too long it returns what was seen last.
func (l *looker[T]) get() glimpse[T] {
	came := time.Now()
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	for {
		f, err := l.join()
		if err != nil { // the hub is closed: there is nobody to wait for
			return glimpse[T]{seen: l.look(), known: true}
		}
		select {
		case <-f.done:
			if f.began.Before(came) { // it may have missed what the caller has just done
				continue
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			return glimpse[T]{seen: l.last, known: true}
		case <-patience.C:
			l.mu.Lock()
			defer l.mu.Unlock()
			return glimpse[T]{seen: l.last, known: l.known, hangs: time.Since(f.began)}
		}
	}
}

// join returns the look that is under way, or begins one.
func (l *looker[T]) join() (*flight, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight != nil {
		return l.flight, nil
	}
	done, err := l.begin()
	if err != nil {
		return nil, err
	}
	f := &flight{began: time.Now(), done: make(chan struct{})}
	l.flight = f
	go func() {
		defer done()
		seen := l.look()
		l.mu.Lock()
		l.last, l.known, l.flight = seen, true, nil
		l.mu.Unlock()
		close(f.done)
	}()
	return f, nil
}
