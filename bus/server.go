package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// Defaults of the event stream, and the server's limits.
const (
	DefaultAddr     = "127.0.0.1:4222"
	DefaultMaxAge   = 30 * 24 * time.Hour
	DefaultMaxBytes = 64 << 20

	maxPayload    = 32 << 20
	maxConns      = 8192     // each is an open file, of which the tables need theirs
	maxMemory     = 64 << 20 // JetStream memory: the state of consumers
	readyInterval = 50 * time.Millisecond
	tlsTimeout    = 5 * time.Second // of a client's handshake
)

// ServerConfig says how to run the embedded NATS server.
type ServerConfig struct {
	Hub         string        // the hub's name, [a-z0-9_-]{1,64}; required
	Addr        string        // host and port, loopback unless there is TLS; port 0 picks a free one; default DefaultAddr
	TLS         *tls.Config   // of the clients' side; nil: none
	WebSocket   WebSocket     // for browsers; the zero value: none
	StoreDir    string        // where the event stream lives, made 0700; required
	Credentials Credentials   // who may connect; required
	MaxAge      time.Duration // age bound of the event stream; default DefaultMaxAge
	MaxBytes    int64         // size bound of the event stream; default DefaultMaxBytes
	Logger      *slog.Logger  // default: discard
	Subjects    []Subject     // of the embedder's own
	Refused     func(Refusal) // hears of each connection, publish and subscription that is refused; must not wait
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.Addr == "" {
		c.Addr = DefaultAddr
	}
	if c.MaxAge <= 0 {
		c.MaxAge = DefaultMaxAge
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c ServerConfig) validate() error {
	if err := validateHub(c.Hub); err != nil {
		return err
	}
	if c.StoreDir == "" {
		return configError("the NATS server needs a store directory")
	}
	if err := c.WebSocket.Validate(c.TLS != nil); err != nil {
		return err
	}
	for _, s := range c.Subjects {
		if err := s.Validate(); err != nil {
			return err
		}
	}
	return c.Credentials.Validate()
}

// Server is the embedded NATS server. Without TLS it listens on loopback only. It keeps
// its stream on disk with every write synced, takes no signals and never ends the
// process. Its methods may be called from any goroutine.
type Server struct {
	cfg      ServerConfig
	password string // of the hub's own users; new with every Server

	lifecycle sync.Mutex // serializes start, Stop, Restart, Close

	mu     sync.Mutex // guards what follows
	addr   string     // the bound address; kept across restarts
	wsAddr string     // of WebSocket, "" without
	nats   *natsserver.Server
	closed bool
}

// StartServer starts the server and waits until it takes connections. Errors
// match ErrConfig, ErrNotLoopback, ErrAddrInUse or ErrServerStart, or are
// ctx's.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	addr, err := listenAddr(cfg.Addr, cfg.TLS != nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServerStart, err)
	}
	s := &Server{cfg: cfg, addr: addr, password: newSecret()}
	if cfg.WebSocket.Addr != "" {
		s.wsAddr, _ = listenAddr(cfg.WebSocket.Addr, cfg.TLS != nil) // was checked
	}
	if err := s.Restart(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// SetCredentials lets in who has the new credentials, and cuts the connections of who
// has only the old ones. The hub's own connections stay. Where the error is not nil the old
// ones go on counting.
func (s *Server) SetCredentials(creds Credentials) error {
	if err := creds.Validate(); err != nil {
		return err
	}
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	s.mu.Lock()
	old, ns := s.cfg.Credentials, s.nats
	s.cfg.Credentials = creds
	s.mu.Unlock()
	if ns == nil {
		return nil // the next start has them
	}
	if err := ns.ReloadOptions(s.options()); err != nil {
		s.mu.Lock()
		s.cfg.Credentials = old
		s.mu.Unlock()
		return fmt.Errorf("bus: new credentials: %w", err)
	}
	return nil
}

func (s *Server) credentials() Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Credentials
}

// URL returns where clients connect, without user info: nats://host:port, or tls://. Of
// a server that listens on every address it names loopback.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	scheme := "nats://"
	if s.cfg.TLS != nil {
		scheme = "tls://"
	}
	return scheme + reachable(s.addr)
}

// Restart starts the server again after Stop, on the same address and store.
// It does nothing while the server runs, and returns ErrClosed after Close.
func (s *Server) Restart(ctx context.Context) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	s.mu.Lock()
	running, closed := s.nats != nil, s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if running {
		return nil
	}
	ns, err := s.boot(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.nats, s.addr = ns, ns.Addr().String()
	if s.wsAddr != "" {
		s.wsAddr = boundWebSocket(ns)
	}
	s.mu.Unlock()
	return nil
}

// Stop takes the server down until Restart. Connections of the hub wait and
// come back by themselves. It returns ctx's error when the server did not stop
// in time; it goes on stopping.
func (s *Server) Stop(ctx context.Context) error {
	return s.stop(ctx, false)
}

// Close stops the server for good. A second Close returns nil.
func (s *Server) Close(ctx context.Context) error {
	return s.stop(ctx, true)
}

func (s *Server) stop(ctx context.Context, forGood bool) error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	s.mu.Lock()
	ns := s.nats
	s.nats = nil
	s.closed = s.closed || forGood
	s.mu.Unlock()
	if ns == nil {
		return nil
	}
	return shutdown(ctx, ns)
}

// shutdown stops ns, waiting for as long as ctx allows.
func shutdown(ctx context.Context, ns *natsserver.Server) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bus: the NATS server is still stopping: %w", ctx.Err())
	}
}

// InProcessConn connects to the server that runs now. It stands between
// nats.go and nats-server because a connection made with the server itself
// would dial that dead instance for ever after a restart.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	ns := s.nats
	s.mu.Unlock()
	if ns == nil {
		return nil, errors.New("bus: the NATS server is stopped")
	}
	return ns.InProcessConn()
}
