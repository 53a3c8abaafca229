package bus

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// DefaultOutboxLimit is how many events wait for NATS at most.
const DefaultOutboxLimit = 10_000

// sendFunc delivers one event; doubt says that an earlier attempt may have
// succeeded.
type sendFunc func(ctx context.Context, id string, data []byte, doubt bool) error

// outbox keeps events on disk until they are delivered, in order. add may be
// called by many; one goroutine runs deliver.
type outbox struct {
	dir   outboxDir
	limit int
	send  sendFunc
	log   *slog.Logger

	writing sync.Mutex // held from taking a number to queueing it, so order on disk is order of adding

	mu      sync.Mutex // guards what follows; never held during I/O
	lastSeq uint64
	queue   []uint64 // waiting, in order
	closed  bool
	stats   outboxStats
	changed chan struct{} // closed and replaced whenever the queue changes

	wake chan struct{} // ends a retry delay early; holds one
}

type outboxStats struct {
	sent, dropped, damaged, rejected uint64
	lastError                        string
}

func openOutbox(path string, files Files, limit int, send sendFunc, log *slog.Logger) (*outbox, error) {
	dir, err := openOutboxDir(path, files)
	if err != nil {
		return nil, fmt.Errorf("bus: open outbox: %w", err)
	}
	if limit <= 0 {
		limit = DefaultOutboxLimit
	}
	o := &outbox{
		dir: dir, limit: limit, send: send, log: log,
		changed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if err := o.load(); err != nil {
		return nil, fmt.Errorf("bus: open outbox: %w", err)
	}
	return o, nil
}

// load queues what an earlier process left.
func (o *outbox) load() error {
	seqs, highest, err := o.dir.list()
	if err != nil {
		return err
	}
	acked, err := o.dir.acked()
	if err != nil {
		o.log.Error("the outbox's mark of what is delivered is unreadable", "dir", o.dir.path, "error", err)
	}
	o.lastSeq = max(highest, acked.Seq)
	for _, seq := range seqs {
		if seq <= acked.Seq {
			if err := o.dir.remove(seq); err != nil {
				return err
			}
			continue
		}
		if _, _, err := o.dir.readEvent(seq); err != nil {
			o.setAside(seq, ".damaged", err)
			continue
		}
		o.queue = append(o.queue, seq)
	}
	if len(o.queue) > 0 {
		o.log.Info("events of an earlier run wait in the outbox", "events", len(o.queue))
	}
	return nil
}

// add returns once data is durable and queued.
func (o *outbox) add(data []byte) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	closed, seq := o.closed, o.lastSeq+1
	o.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := o.dir.writeEvent(seq, data); err != nil {
		return fmt.Errorf("bus: write event to the outbox: %w", err)
	}
	for _, old := range o.enqueue(seq) {
		o.log.Error("the outbox is full: its oldest event is dropped", "limit", o.limit, "seq", old)
		if err := o.dir.remove(old); err != nil {
			o.log.Error("remove dropped event", "seq", old, "error", err)
		}
	}
	return nil
}

// enqueue adds seq and returns those that it pushed out.
func (o *outbox) enqueue(seq uint64) (dropped []uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastSeq = seq
	o.queue = append(o.queue, seq)
	if over := len(o.queue) - o.limit; over > 0 {
		dropped = slices.Clone(o.queue[:over])
		o.queue = slices.Clone(o.queue[over:])
		o.stats.dropped += uint64(over)
	}
	o.notify()
	return dropped
}

// notify tells those who wait for a change; o.mu is held.
func (o *outbox) notify() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// head returns the oldest waiting event, and a channel that is closed at the
// next change.
func (o *outbox) head() (seq uint64, ok bool, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return 0, false, o.changed
	}
	return o.queue[0], true, o.changed
}

// pop removes seq from the queue. It returns false when seq was dropped
// meanwhile.
func (o *outbox) pop(seq uint64, count func(*outboxStats)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	waiting := len(o.queue) > 0 && o.queue[0] == seq
	if waiting {
		o.queue = o.queue[1:]
	}
	count(&o.stats)
	o.notify()
	return waiting
}

// setAside keeps the file of an event that cannot be sent, under another name.
func (o *outbox) setAside(seq uint64, suffix string, why error) {
	name, err := o.dir.setAside(seq, suffix)
	if err != nil {
		o.log.Error("set event aside", "seq", seq, "error", err)
	}
	o.log.Error("an event in the outbox cannot be sent; it is set aside", "file", name, "reason", why)
	o.pop(seq, func(s *outboxStats) {
		if suffix == ".damaged" {
			s.damaged++
		} else {
			s.rejected++
		}
	})
}

// close refuses further events. What waits stays on disk.
func (o *outbox) close() {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// drain waits until nothing waits, or ctx ends.
func (o *outbox) drain(ctx context.Context) error {
	for {
		_, waiting, changed := o.head()
		if !waiting {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// status returns how many wait, and the counts.
func (o *outbox) status() (pending int, stats outboxStats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue), o.stats
}
