package bus

import (
	"context"
	"log/slog"
	"sync"
)

// Bus is a hub's voice: it publishes events and progress, hands them to
// subscribers in this process, and serves requests. Its methods may be called
// from any goroutine.
type Bus struct {
	cfg      Config
	log      *slog.Logger
	events   *Conn
	requests *Conn // the same as events on an embedder's connection
	own      *Conn // for the embedder; nil until it asks, guarded by mu
	stream   *eventStream
	outbox   *outbox
	progress *sender[Progress]
	audits   *sender[Audit]

	stopWork context.CancelFunc
	work     sync.WaitGroup

	subs *family

	mu      sync.Mutex
	service *service
	closing bool

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

// Open connects, makes the event stream where there is JetStream, and starts
// delivering what the outbox holds. An embedded server must run; a connection
// that was brought along may be reconnecting, and events wait.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, log: cfg.Logger, closed: make(chan struct{})}
	if err := b.connect(); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		b.disconnect(ctx)
		return nil, err
	}
	b.start()
	return b, nil
}

// Publish returns once the event is durable on disk, in order; it never waits
// for NATS. Errors: ErrBadEvent, ErrClosed, or the disk's.
func (b *Bus) Publish(e Event) error {
	data, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	return b.outbox.add(data)
}

// Progress publishes p as best it can. It never waits and never fails.
func (b *Bus) Progress(p Progress) { b.progress.offer(p) }

// Subscribe hands over events, those before now first if opts ask for them. It
// ends with ctx, Close of either side, and survives outages. Errors: ErrConfig,
// ErrNoStream (a replay was asked for, and there is nothing to replay),
// ErrClosed, or that NATS is away just now.
func (b *Bus) Subscribe(ctx context.Context, opts SubscribeOptions) (*Subscription[Event], error) {
	return follow(ctx, b.subs, func(ctx context.Context) (*Subscription[Event], error) {
		return subscribeEvents(ctx, b.events, opts, !b.cfg.CoreOnly, b.log)
	})
}

// SubscribeProgress hands over progress from now on, with a buffer of so many
// (0 means 256) of which a slow reader loses the oldest.
func (b *Bus) SubscribeProgress(ctx context.Context, buffer int) (*Subscription[Progress], error) {
	return follow(ctx, b.subs, func(ctx context.Context) (*Subscription[Progress], error) {
		return ProgressEvents.subscribe(ctx, b.events, buffer, nil)
	})
}

// Flush waits until every event published so far is delivered, or ctx ends.
func (b *Bus) Flush(ctx context.Context) error { return b.outbox.drain(ctx) }

// Serve starts answering requests. A bus serves once.
func (b *Bus) Serve(cfg ServiceConfig) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return ErrClosed
	}
	if b.service != nil {
		return configError("the bus serves already")
	}
	svc, err := startService(b.requests, b.cfg.Hub, cfg, b.log)
	if err != nil {
		return err
	}
	b.service = svc
	return nil
}

// StopRequests takes no new requests from now on, and returns without waiting
// for those under way. They are answered until Close.
func (b *Bus) StopRequests() {
	b.mu.Lock()
	svc := b.service
	b.mu.Unlock()
	if svc != nil {
		svc.drain()
	}
}
