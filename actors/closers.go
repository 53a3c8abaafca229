package actors

import (
	"sync"
	"time"
)

// closers counts stores that are being closed because they are no longer the table's.
// Unlike a WaitGroup it may be waited for with an end, and added to meanwhile.
type closers struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there are none; nil: nobody waits
}

func (c *closers) Add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *closers) Done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// ended returns a channel that is closed when there are none.
func (c *closers) ended() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		return atOnce
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	return c.none
}

// closesWithin is how long an open waits for the close of the store before: on a disk that
// is gone, Badger's never ends.
const closesWithin = 5 * time.Second
