// Package web is the hub's HTTP listener.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrNotLoopback says that the address is not a loopback address: there is no TLS
// to listen beyond the machine with.
var ErrNotLoopback = errors.New("HTTP address is not loopback")

// Server serves /healthz (the process lives) and /readyz (the hub serves).
type Server struct {
	http *http.Server
	addr net.Addr
	done sync.WaitGroup
}

// Start listens on the loopback host:port; port 0 picks a free one.
func Start(addr string, ready func() bool, log *slog.Logger) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("HTTP address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %q; use 127.0.0.1 and put a proxy with TLS in front", ErrNotLoopback, addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("HTTP: cannot listen on %s: %w; choose another with --http-addr (port 0 picks a free one)", addr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready() {
			say(w, http.StatusOK, "ready")
		} else {
			say(w, http.StatusServiceUnavailable, "not ready")
		}
	})
	s := &Server{addr: l.Addr(), http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}}
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("HTTP listener ended", "err", err)
		}
	}()
	return s, nil
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// URL returns the listener's address as http://host:port.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// Close waits for requests under way as long as ctx allows, then cuts them.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.done.Wait()
	return err
}
