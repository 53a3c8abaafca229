package bus

import (
	"crypto/tls"
	"net"
	"net/url"
	"strings"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
)

// WebSocket says how browsers reach the server. Only a viewer comes in this way: what a
// page knows, everybody who sees the page may learn.
type WebSocket struct {
	Addr string // host:port, loopback unless there is TLS; port 0 picks a free one; "": no such listener
	// Origins are those of the pages that may connect, such as https://status.example.com.
	// With none, only a page from the listener's own host and port may, as behind a proxy.
	Origins []string
	Plain   bool // listens without TLS where the server has none
}

// Validate says what is wrong with it; encrypted says whether there is TLS.
func (w WebSocket) Validate(encrypted bool) error {
	if w.Addr == "" {
		if len(w.Origins) > 0 || w.Plain {
			return configError("WebSocket has settings but no address: set ws_addr")
		}
		return nil
	}
	if !encrypted && !w.Plain {
		return configError("WebSocket at %q would carry passwords unencrypted; set tls_cert and tls_key, or allow it on this machine with ws_plain", w.Addr)
	}
	if _, err := listenAddr(w.Addr, encrypted); err != nil {
		return err
	}
	for _, o := range w.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			return configError("the WebSocket origin %q is not like https://status.example.com", o)
		}
	}
	return nil
}

// options are nats-server's; with addr, the bound address.
func (w WebSocket) options(addr string, config *tls.Config) natsserver.WebsocketOpts {
	if w.Addr == "" {
		return natsserver.WebsocketOpts{}
	}
	host, port := hostPort(addr)
	return natsserver.WebsocketOpts{
		Host: host, Port: port,
		NoTLS: config == nil, TLSConfig: config, HandshakeTimeout: tlsTimeout,
		SameOrigin: len(w.Origins) == 0, AllowedOrigins: append([]string(nil), w.Origins...),
	}
}

// WebSocketURL returns where browsers connect, ws://host:port or wss://, "" where they
// cannot. Of a server that listens on every address it names loopback.
func (s *Server) WebSocketURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wsAddr == "" {
		return ""
	}
	scheme := "ws://"
	if s.cfg.TLS != nil {
		scheme = "wss://"
	}
	return scheme + reachable(s.wsAddr)
}

// boundWebSocket is the address that ns listens on for browsers.
func boundWebSocket(ns *natsserver.Server) string {
	if u, err := url.Parse(ns.WebsocketURL()); err == nil {
		return u.Host
	}
	return ""
}

// reachable is an address by which one bound on every address can be reached from here.
func reachable(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// connectionsOf are the ways in which a role may come.
func connectionsOf(role Role) map[string]struct{} {
	ways := map[string]struct{}{jwt.ConnectionTypeStandard: {}, jwt.ConnectionTypeInProcess: {}}
	if role == Viewer {
		ways[jwt.ConnectionTypeWebsocket] = struct{}{}
	}
	return ways
}

// isForeignOrigin says whether a handshake was refused for the page that asked.
func isForeignOrigin(reason string) bool { return strings.HasPrefix(reason, "origin not allowed") }
