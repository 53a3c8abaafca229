package alert

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

const (
	defaultMost = 1000
	keepFor     = 24 * time.Hour // then an alarm is no news any more
	retryFirst  = 2 * time.Second
	retryMost   = 15 * time.Minute
)

// item is an alarm that waits for its receiver.
type item struct {
	Alarm
	seq   uint64
	tries int       // that the receiver refused
	next  time.Time // of the next attempt; zero: at once
}

// rejected says that the receiver has looked at this alarm and does not want it. That
// says nothing about others.
type rejected struct{ error }

func (r rejected) Unwrap() error { return r.error }

// channel brings alarms to one receiver, in order, one at a time.
type channel struct {
	name  string // may be shown
	send  func(context.Context, Alarm) error
	spool *spool
	wall  clockwork.Clock
	log   *slog.Logger
	life  context.Context
	quit  chan struct{}
	most  int

	mu      sync.Mutex // guards what follows; held for the disk in raise alone
	queue   []*item
	seq     uint64
	dropped uint64
	tries   int       // in a row at which the receiver could not be reached
	next    time.Time // of the next attempt, after those
	failing time.Time // since then; zero: it does not fail
	problem string
	more    chan struct{} // holds one: there is something new
}

func (s *Sender) channel(name, identity string, send func(context.Context, Alarm) error) *channel {
	sum := sha256.Sum256([]byte(identity)) // the folder's name must tell no secret
	log := s.o.Logger.With("channel", name)
	c := &channel{name: name, send: send, wall: s.o.Wall, log: log, life: s.life, quit: s.quit, most: cmp.Or(s.o.Most, defaultMost), more: make(chan struct{}, 1),
		spool: &spool{fs: s.o.FS, dir: filepath.Join(s.o.Dir, hex.EncodeToString(sum[:8])), log: log}}
	var err error
	if c.queue, err = c.spool.load(); err != nil {
		log.Error("alarms cannot wait on the disk; they wait in memory", "err", err)
	}
	if n := len(c.queue); n > 0 {
		c.seq = c.queue[n-1].seq
		log.Info("alarms of an earlier run wait", "alarms", n)
	}
	return c
}

// raise queues the alarm, durably if the disk lets it. The oldest make room.
func (c *channel) raise(a Alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	it := &item{Alarm: a, seq: c.seq}
	if err := c.spool.write(it); err != nil {
		c.log.Error("an alarm cannot be kept on the disk; it waits in memory", "type", a.Type, "id", a.ID, "err", err)
	}
	c.queue = append(c.queue, it)
	for len(c.queue) > c.most {
		c.dropped++
		c.log.Error("too many alarms wait; the oldest is dropped", "type", c.queue[0].Type, "id", c.queue[0].ID, "dropped", c.dropped)
		c.spool.remove(c.queue[0].seq)
		c.queue = c.queue[1:]
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// run sends what waits until the sender closes.
func (c *channel) run() {
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		it, wait := c.due()
		if it != nil {
			c.settle(it, c.send(c.life, it.Alarm))
			continue
		}
		timer := c.wall.NewTimer(wait)
		select {
		case <-timer.Chan():
		case <-c.more:
		case <-c.quit:
		}
		timer.Stop()
	}
}

// due returns the alarm to send now, or how long nothing is due.
func (c *channel) due() (it *item, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.wall.Now()
	if c.next.After(now) {
		return nil, c.next.Sub(now)
	}
	wait = keepFor
	for _, it := range c.queue {
		if !it.next.After(now) {
			return it, 0
		}
		wait = min(wait, it.next.Sub(now))
	}
	return nil, wait
}

// settle takes note of what became of an attempt.
func (c *channel) settle(it *item, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.log.With("type", it.Type, "id", it.ID)
	var no rejected
	now := c.wall.Now()
	switch {
	case err == nil:
		if !c.failing.IsZero() {
			log.Info("alarms arrive again")
		}
		c.tries, c.next, c.failing, c.problem = 0, time.Time{}, time.Time{}, ""
		c.forget(it)
		return
	case c.life.Err() != nil:
		return // the next start tries again
	case errors.As(err, &no):
		it.tries++
		it.next = now.Add(backoff(it.tries))
	default:
		c.tries++
		c.next = now.Add(backoff(c.tries))
	}
	if c.failing.IsZero() {
		c.failing = now
	}
	if news := c.problem != err.Error(); news {
		c.problem = err.Error()
		log.Warn("an alarm did not arrive; it is sent again", "waiting", len(c.queue), "err", err)
	}
	c.expire(now)
}

// expire drops what is no news any more.
func (c *channel) expire(now time.Time) {
	for _, it := range slices.Clone(c.queue) {
		if now.Sub(it.At) < keepFor {
			continue
		}
		c.dropped++
		c.log.Error("an alarm did not arrive within a day and is dropped", "type", it.Type, "id", it.ID, "dropped", c.dropped)
		c.forget(it)
	}
}

// forget takes an alarm out of the queue, where it may have made room already.
func (c *channel) forget(it *item) {
	c.queue = slices.DeleteFunc(c.queue, func(o *item) bool { return o == it })
	c.spool.remove(it.seq)
}

// backoff is how long to wait after so many failures: twice as long each time, and a
// fifth more or less, so that many hubs do not come back at once.
func backoff(tries int) time.Duration {
	d := retryFirst << min(tries-1, 20)
	d = min(d, retryMost)
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

func (c *channel) trouble() (Trouble, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Trouble{Channel: c.name, Since: c.failing, Waiting: len(c.queue), Error: c.problem}, !c.failing.IsZero()
}
