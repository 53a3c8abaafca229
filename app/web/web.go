// Package web is the hub's HTTP listener: the doors that every request passes, and the
// routes behind them. What a route answers is its owner's.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/jonboulle/clockwork"
	"golang.org/x/time/rate"
)

// Config says where to listen, who may come in, and what is there.
type Config struct {
	Addr  string      // host:port, loopback unless there is TLS; port 0 picks a free one
	TLS   *tls.Config // nil: none
	Hosts []string    // names under which clients may ask, besides loopback and the address itself
	Ready func() bool // whether the hub serves
	Keys  *Keys       // who may come in
	// Let says whether a role may start one more piece of work, and else how long to wait.
	Let    func(bus.Role) (wait time.Duration, ok bool)
	Done   func(Asked)     // hears of each request that was refused or may change something; may be nil
	Routes []Route         // besides /healthz, /readyz and /api/session
	About  About           // what a client that has logged in is told
	Wall   clockwork.Clock // for sessions; default the real one
	Logger *slog.Logger

	headers time.Duration // within which a request's head must arrive; tests are less patient
	conns   int64         // connections at a time; tests need fewer
}

// Server is the listener. Each request passes the same doors.
type Server struct {
	cfg      Config
	routes   []Route
	mux      *http.ServeMux
	hosts    hosts
	origin   *http.CrossOriginProtection
	sessions *sessions
	wrong    *rate.Limiter   // tokens at logins
	streams  context.Context // ends when the listener closes
	endAll   context.CancelFunc
	open     atomic.Int64 // connections
	http     *http.Server
	addr     net.Addr
	done     sync.WaitGroup
}

// Time limits of a connection. Routes have their own for the answer.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
	// maxConns is how many clients may be connected: each is an open file, of which the
	// tables need theirs.
	maxConns = 1024
)

// Start listens. Errors match [bus.ErrNotLoopback], or say what is wrong with a route.
func Start(cfg Config) (*Server, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("HTTP address %q: %w", cfg.Addr, err)
	}
	if cfg.TLS == nil && !loopback(host) {
		return nil, fmt.Errorf("HTTP: %w: %q can be reached from other machines, and nothing would be encrypted; set tls_cert and tls_key, or use 127.0.0.1", bus.ErrNotLoopback, cfg.Addr)
	}
	if cfg.headers == 0 {
		cfg.headers = headerTimeout
	}
	if cfg.conns == 0 {
		cfg.conns = maxConns
	}
	s := newServer(cfg, host)
	if err := s.mount(append(append(probes(cfg.Ready), s.sessionRoutes()...), cfg.Routes...)); err != nil {
		s.endAll()
		return nil, err
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		s.endAll()
		return nil, fmt.Errorf("HTTP: cannot listen on %s: %w; choose another with --http-addr (port 0 picks a free one)", cfg.Addr, err)
	}
	s.addr = l.Addr()
	s.http = &http.Server{Handler: s, TLSConfig: cfg.TLS, ReadHeaderTimeout: cfg.headers, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ConnState: s.count, ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)}
	s.done.Go(func() {
		serve := s.http.Serve
		if cfg.TLS != nil {
			serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
		}
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("HTTP listener ended", "err", err)
		}
	})
	return s, nil
}

// newServer makes a server that does not listen yet.
func newServer(cfg Config, host string) *Server {
	if cfg.Wall == nil {
		cfg.Wall = clockwork.NewRealClock()
	}
	s := &Server{cfg: cfg, hosts: newHosts(host, cfg.Hosts), origin: http.NewCrossOriginProtection(),
		sessions: newSessions(cfg.Keys, cfg.Wall), wrong: newWrong()}
	s.streams, s.endAll = context.WithCancel(context.Background())
	return s
}

// Routes returns what is mounted, for tests that walk it.
func (s *Server) Routes() []Route { return s.routes }

// URL returns the listener's address as http://host:port, or https://. Of one that
// listens on every address it names loopback.
func (s *Server) URL() string {
	scheme := "http://"
	if s.cfg.TLS != nil {
		scheme = "https://"
	}
	addr := s.addr.String()
	if a, ok := s.addr.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Port))
	}
	return scheme + addr
}

// Close ends streams and waits for the other requests under way as long as ctx allows,
// then cuts them.
func (s *Server) Close(ctx context.Context) error {
	s.endAll()
	s.sessions.close()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.done.Wait()
	return err
}

// count closes connections beyond the limit.
func (s *Server) count(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if s.open.Add(1) > s.cfg.conns {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
