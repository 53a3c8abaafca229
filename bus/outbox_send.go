package bus

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 30 * time.Second
)

// run delivers what waits, in order, until ctx ends.
func (o *outbox) run(ctx context.Context) {
	delay, doubt := retryFirst, true // the process before us may have sent the first one
	for ctx.Err() == nil {
		seq, ok, changed := o.head()
		if !ok {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := o.deliver(ctx, seq, doubt); err != nil {
			doubt = true
			delay = o.pause(ctx, err, delay)
			continue
		}
		delay, doubt = retryFirst, false
	}
}

// deliver sends one event and forgets it. An error means: try again.
func (o *outbox) deliver(ctx context.Context, seq uint64, doubt bool) error {
	id, data, err := o.dir.readEvent(seq)
	switch {
	case errors.Is(err, fs.ErrNotExist): // dropped for a newer one, or removed by somebody
		if o.pop(seq, func(*outboxStats) {}) {
			o.log.Error("an event's file vanished from the outbox", "file", eventName(seq))
		}
		return nil
	case errors.Is(err, errDamaged):
		o.setAside(seq, ".damaged", err)
		return nil
	case err != nil:
		return err
	}
	if err := o.send(ctx, id, data, doubt); permanent(err) {
		o.setAside(seq, ".rejected", err)
		return nil
	} else if err != nil {
		return err
	}
	o.forget(seq, id)
	return nil
}

// forget records the delivery, then removes the file. A file that comes back
// after a crash in between is known by its number.
func (o *outbox) forget(seq uint64, id string) {
	if err := o.dir.writeAcked(ackedMark{Seq: seq, ID: id}); err != nil {
		o.log.Error("record delivered event", "seq", seq, "error", err)
	}
	if err := o.dir.remove(seq); err != nil {
		o.log.Error("remove delivered event", "seq", seq, "error", err)
	}
	o.pop(seq, func(s *outboxStats) { s.sent++; s.lastError = "" })
}

// pause waits before the next attempt, or until the connection is back, and
// returns the next delay.
func (o *outbox) pause(ctx context.Context, err error, delay time.Duration) time.Duration {
	if ctx.Err() != nil {
		return delay
	}
	o.mu.Lock()
	news := o.stats.lastError != err.Error()
	o.stats.lastError = err.Error()
	waiting := len(o.queue)
	o.mu.Unlock()
	if news {
		o.log.Warn("events cannot be delivered; they wait on disk", "events", waiting, "error", err)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return min(2*delay, retryMost)
	case <-o.wake:
		return retryFirst
	case <-ctx.Done():
		return delay
	}
}

// reconnected ends a retry delay.
func (o *outbox) reconnected() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
