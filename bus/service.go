package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"
)

// ServiceName is the name of the micro service; `nats micro ls` shows it.
const ServiceName = "brock"

const (
	// DefaultEndpointLimit is how many requests one endpoint works on at a time.
	DefaultEndpointLimit = 1024

	maxBodies      = 256 << 20 // bytes of request bodies held at a time, over all endpoints
	pendingBytes   = 512 << 20 // bytes that may wait in nats.go for their (quick) admission
	cancelledGrace = time.Second
)

// Handler answers one request. ctx ends when the service stops, not when the
// client leaves. The reply is marshalled as JSON; []byte and json.RawMessage
// are sent as they are, nil as {}. An *Error is sent as it is, any other error
// as 500 CodeInternal with its text, so it must hold no secrets. It runs on its
// own goroutine.
type Handler func(ctx context.Context, body []byte) (reply any, err error)

// Reply is a handler's reply with something to do once it is on its way, such as what
// cuts the asker off.
type Reply struct {
	Value any
	Then  func()
}

// Endpoint is one thing that can be asked, on the subject brock.<hub>.<name>.
type Endpoint struct {
	Name    string // such as "backup" or "records.get"
	Handler Handler
	Limit   int // requests worked on at a time, the rest get 429; default DefaultEndpointLimit
}

// ServiceConfig says what a hub serves.
type ServiceConfig struct {
	Version     string // of Brock, semver without a leading v
	Description string // default "Durable tables with proven backups"
	Endpoints   []Endpoint
	Refused     func(Refusal) // hears of each request that is not taken; may be nil; must not wait
}

// service runs the micro service. Callbacks of nats.go are serial, so each
// request is only admitted there and handled on a goroutine of its own.
type service struct {
	micro  micro.Service
	conn   *Conn
	log    *slog.Logger
	refuse func(Refusal)
	ctx    context.Context // of the handlers
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	draining bool
	bodies   int64
	working  map[*call]struct{}
	idle     chan struct{} // not nil while somebody waits for working to be empty
}

// served is an endpoint with its count, guarded by service.mu.
type served struct {
	Endpoint
	working int
}

func startService(nc *Conn, hub string, cfg ServiceConfig, log *slog.Logger) (*service, error) {
	if cfg.Description == "" {
		cfg.Description = "Durable tables with proven backups"
	}
	s := &service{conn: nc, log: log, refuse: cfg.Refused, working: map[*call]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	queue := ServiceName + "-" + hub // the stock group is shared by every service
	var err error
	s.micro, err = micro.AddService(nc, micro.Config{
		Name: ServiceName, Version: cfg.Version, Description: cfg.Description,
		Metadata:     map[string]string{"hub": hub},
		QueueGroup:   queue,
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) { log.Error("request service", "error", err) },
	})
	if err != nil {
		s.cancel()
		return nil, configError("request service: %v", err)
	}
	for _, e := range cfg.Endpoints {
		if err := s.add(hub, e); err != nil {
			s.cancel()
			_ = s.micro.Stop()
			return nil, err
		}
	}
	// The server must know of the endpoints before anybody is told of the hub.
	// While NATS is away they are announced when it is back.
	if err := flush(s.ctx, nc); err != nil {
		log.Warn("requests are taken once NATS is back", "error", err)
	}
	return s, nil
}

func (s *service) add(hub string, e Endpoint) error {
	if e.Name == "" || e.Handler == nil {
		return configError("an endpoint needs a name and a handler")
	}
	role := LeastRole(e.Name)
	if role == "" {
		return configError("no role may ask the endpoint %q: say in permissions.go which", e.Name)
	}
	if e.Limit <= 0 {
		e.Limit = DefaultEndpointLimit
	}
	ep := &served{Endpoint: e}
	// A micro endpoint's name takes no dots; its subject does.
	err := s.micro.AddEndpoint(strings.ReplaceAll(e.Name, ".", "-"),
		micro.HandlerFunc(func(req micro.Request) { s.accept(ep, req) }),
		micro.WithEndpointSubject(requestSubject(hub, e.Name)),
		micro.WithEndpointMetadata(map[string]string{"role": string(role)}),
		micro.WithEndpointPendingLimits(-1, pendingBytes))
	if err != nil {
		return fmt.Errorf("bus: serve %s: %w", e.Name, err)
	}
	return nil
}

// accept admits or refuses a request. It never waits.
func (s *service) accept(ep *served, req micro.Request) {
	if !answerable(req.Reply()) {
		s.log.Warn("request without a usable reply subject ignored", "endpoint", ep.Name, "reply", req.Reply())
		return
	}
	c := &call{service: s, endpoint: ep, reply: req.Reply(), body: req.Data()}
	if refusal := s.admit(c); refusal != nil {
		if s.refuse != nil {
			s.refuse(Refusal{Role: LeastRole(ep.Name), What: ep.Name, Code: refusal.Code})
		}
		c.answer(nil, refusal)
		return
	}
	go c.run()
}

// drain takes no new requests.
func (s *service) drain() {
	s.mu.Lock()
	already := s.draining
	s.draining = true
	s.mu.Unlock()
	if already {
		return
	}
	if err := s.micro.Stop(); err != nil {
		s.log.Warn("stop request service", "error", err)
	}
}

// stop drains, waits for the requests under way as long as ctx allows, then
// cancels the rest and answers those whose handlers do not care.
func (s *service) stop(ctx context.Context) error {
	s.drain()
	defer s.cancel()
	select {
	case <-s.untilIdle():
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	grace := time.NewTimer(cancelledGrace)
	defer grace.Stop()
	select {
	case <-s.untilIdle():
	case <-grace.C:
		s.abandon()
	}
	return fmt.Errorf("bus: requests under way were cancelled: %w", ctx.Err())
}
