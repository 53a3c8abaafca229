package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// listenAddr checks addr and returns it with a host that says where it is: what others
// can reach must be encrypted.
func listenAddr(addr string, encrypted bool) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", configError("the NATS address %q is not host:port", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", configError("the NATS address %q has no valid port", addr)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if ip := net.ParseIP(host); !encrypted && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%w: %q can be reached from other machines, and nothing would be encrypted; set tls_cert and tls_key, or use 127.0.0.1", ErrNotLoopback, addr)
	}
	return net.JoinHostPort(host, port), nil
}

// addrs are the addresses to listen on.
func (s *Server) addrs() (addrs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if addrs = []string{s.addr}; s.wsAddr != "" {
		addrs = append(addrs, s.wsAddr)
	}
	return addrs
}

// boot starts one instance and waits until it takes connections.
func (s *Server) boot(ctx context.Context) (*natsserver.Server, error) {
	addrs := s.addrs()
	for _, addr := range addrs {
		if err := probe(addr); err != nil {
			return nil, err
		}
	}
	if err := s.distrust(); err != nil {
		return nil, err
	}
	ns, err := natsserver.NewServer(s.options())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServerStart, err)
	}
	log := newServerLog(s.cfg.Logger, s.noteRefusal)
	ns.SetLoggerV2(log, false, false, false)
	ns.Start()
	if err := awaitReady(ctx, ns, log, strings.Join(addrs, " or ")); err != nil {
		_ = shutdown(context.WithoutCancel(ctx), ns)
		return nil, err
	}
	return ns, nil
}

// options are the server's settings. Limits are explicit: JetStream derives
// missing ones from the free disk, and a full disk would then refuse the
// stream.
func (s *Server) options() *natsserver.Options {
	s.mu.Lock()
	cfg, addr, wsAddr := s.cfg, s.addr, s.wsAddr
	s.mu.Unlock()
	host, port := hostPort(addr)
	users := append(roleUsers(cfg), internalUsers(cfg, s.password)...)
	return &natsserver.Options{
		ServerName:             "brock-" + s.cfg.Hub,
		Host:                   host,
		Port:                   port,
		NoSigs:                 true,
		Users:                  users,
		MaxConn:                maxConns,
		MaxPayload:             maxPayload,
		JetStream:              true,
		StoreDir:               s.cfg.StoreDir,
		SyncAlways:             true,
		JetStreamMaxMemory:     maxMemory,
		JetStreamMaxStore:      2*s.cfg.MaxBytes + maxPayload,
		DisableJetStreamBanner: true,
		TLS:                    s.cfg.TLS != nil,
		TLSConfig:              s.cfg.TLS,
		TLSTimeout:             tlsTimeout.Seconds(),
		Websocket:              cfg.WebSocket.options(wsAddr, cfg.TLS),
	}
}

// hostPort is an address as nats-server's options have it.
func hostPort(addr string) (host string, port int) {
	host, text, _ := net.SplitHostPort(addr)
	if port, _ = strconv.Atoi(text); port == 0 {
		port = natsserver.RANDOM_PORT
	}
	return host, port
}

// awaitReady waits until ns accepts connections, fails, or ctx ends.
func awaitReady(ctx context.Context, ns *natsserver.Server, log *serverLog, addr string) error {
	for {
		select {
		case text := <-log.fatal:
			if strings.Contains(text, "address already in use") {
				return addrInUse(addr)
			}
			return fmt.Errorf("%w: %s", ErrServerStart, text)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrServerStart, ctx.Err())
		default:
		}
		if ns.ReadyForConnections(readyInterval) {
			return nil
		}
	}
}

// probe finds out whether addr can be bound, before nats-server only says so
// in its log.
func probe(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "Only one usage") {
		return addrInUse(addr)
	}
	return fmt.Errorf("%w: %w", ErrServerStart, err)
}

func addrInUse(addr string) error {
	return fmt.Errorf("%w: %s; another hub or NATS server listens there: stop it, or choose another address (port 0 picks a free one)", ErrAddrInUse, addr)
}
