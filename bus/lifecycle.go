package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func (b *Bus) connect() (err error) {
	if b.cfg.Conn != nil {
		b.events, b.requests = b.cfg.Conn, b.cfg.Conn
		return nil
	}
	// No reconnect buffer for events: the outbox is their buffer.
	if b.events, err = b.cfg.Server.connect(userEvents, hubInbox, "brock events", -1, b.log); err != nil {
		return fmt.Errorf("bus: connect to the embedded server: %w", err)
	}
	if b.requests, err = b.cfg.Server.connect(userRequests, hubInbox, "brock requests", replyBuffer, b.log); err != nil {
		b.events.Close()
		return fmt.Errorf("bus: connect to the embedded server: %w", err)
	}
	return nil
}

// prepare opens the outbox and looks at the stream.
func (b *Bus) prepare(ctx context.Context) error {
	js, err := jetstream.New(b.events)
	if err != nil {
		return err
	}
	b.stream = &eventStream{
		nc: b.events, js: js, log: b.log, required: b.cfg.Server != nil, coreOnly: b.cfg.CoreOnly,
		maxAge: b.cfg.MaxAge, maxBytes: b.cfg.MaxBytes,
	}
	if b.cfg.Server != nil {
		b.stream.lost = b.cfg.Server.streamLost
	}
	b.outbox, err = openOutbox(b.cfg.OutboxDir, b.cfg.Files, b.cfg.OutboxLimit, b.stream.send, b.log)
	if err != nil {
		return err
	}
	if err := b.stream.ensure(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.log.Warn("NATS is not ready; events wait on disk", "error", err)
	}
	return nil
}

func (b *Bus) start() {
	b.progress = newSender(b.events, ProgressEvents)
	b.audits = newSender(b.events, AuditEvents)
	b.subs = newFamily()
	var ctx context.Context
	ctx, b.stopWork = context.WithCancel(context.Background())
	b.work.Go(func() { b.outbox.run(ctx) })
	b.work.Go(func() { b.progress.run(ctx) })
	b.work.Go(func() { b.audits.run(ctx) })
	b.work.Go(func() { b.watch(ctx) })
}

// watch wakes the outbox when the connection is back.
func (b *Bus) watch(ctx context.Context) {
	status := b.events.StatusChanged(nats.CONNECTED)
	defer b.events.RemoveStatusListener(status)
	for {
		select {
		case _, ok := <-status:
			if !ok {
				return
			}
			b.stream.forget()
			b.outbox.reconnected()
		case <-ctx.Done():
			return
		}
	}
}

// Close stops requests (waiting for those under way), delivers what the outbox
// holds, ends subscriptions, drains its own connections, in this order and for
// as long as ctx allows. What is not delivered stays on disk. When ctx ends
// early, Close cuts the rest short and returns ctx's error. Calls after the
// first wait for it and return the same.
func (b *Bus) Close(ctx context.Context) error {
	b.closeOnce.Do(func() {
		b.closeErr = b.close(ctx)
		close(b.closed)
	})
	<-b.closed
	return b.closeErr
}

func (b *Bus) close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	svc := b.service
	b.mu.Unlock()
	var errs []error
	if svc != nil {
		errs = append(errs, svc.stop(ctx))
	}
	b.outbox.close()
	if err := b.outbox.drain(ctx); err != nil {
		pending, _ := b.outbox.status()
		b.log.Warn("events stay in the outbox for the next start", "events", pending)
		errs = append(errs, err)
	}
	b.stopWork()
	b.work.Wait()
	b.subs.close()
	errs = append(errs, b.disconnect(ctx))
	return errors.Join(errs...)
}

// disconnect closes the bus's own connections; an embedder's stays open.
func (b *Bus) disconnect(ctx context.Context) error {
	if b.cfg.Conn != nil {
		return nil
	}
	var err error
	b.mu.Lock() // closing keeps anyone from making it now
	own := b.own
	b.mu.Unlock()
	if own != nil {
		err = drainConn(ctx, own)
	}
	return errors.Join(err, drainConn(ctx, b.requests), drainConn(ctx, b.events))
}
