package web

import (
	"net"
	"net/http"
	"strings"
)

// hosts are the names under which clients may ask. A page that makes its own name
// point here (DNS rebinding) is refused, for its name is none of them.
type hosts map[string]bool

func newHosts(bound string, more []string) hosts {
	h := hosts{"localhost": true}
	for _, name := range append(more, bound) {
		if name = plainHost(name); name != "" && !net.ParseIP(name).IsUnspecified() {
			h[name] = true
		}
	}
	return h
}

// allow says whether the request's Host is the hub: a loopback address, the address
// that the connection came in on, or a name that was allowed.
func (h hosts) allow(r *http.Request) bool {
	name := plainHost(r.Host)
	if h[name] {
		return true
	}
	ip := net.ParseIP(name)
	if ip == nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return local != nil && ip.Equal(local.IP)
}

// plainHost is the name without port, brackets and the root's dot, in small letters.
func plainHost(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
