package bus

import (
	"context"
	"math"
	"net"
	"slices"
	"strconv"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

type replyKey struct{}

// Asker says who asked the request whose handler got ctx. NATS does not tell; but the
// answer goes to an inbox, and where exactly one client of a role listens there, it is
// that one. An inbox that a client makes up for another's role has no listener, for its
// name is random and only that role may listen. Where nobody can be told, the role is "".
func (b *Bus) Asker(ctx context.Context) (role Role, remote string) {
	reply, ok := ctx.Value(replyKey{}).(string)
	if !ok || b.cfg.Server == nil {
		return "", ""
	}
	return b.cfg.Server.listener(reply)
}

// listener returns the only client with a role that listens to the subject.
func (s *Server) listener(subject string) (role Role, remote string) {
	s.mu.Lock()
	ns := s.nats
	s.mu.Unlock()
	if ns == nil {
		return "", ""
	}
	// Asked by account and subject, the server reads what a new client's goroutine still writes.
	conns, err := ns.Connz(&natsserver.ConnzOptions{Username: true, Subscriptions: true, Limit: math.MaxInt32})
	if err != nil {
		return "", ""
	}
	for _, c := range conns.Conns {
		found, ok := s.roleOf(c.AuthorizedUser)
		if !ok || !slices.ContainsFunc(c.Subs, func(sub string) bool { return natsserver.SubjectsCollide(sub, subject) }) {
			continue
		}
		if role != "" {
			return "", "" // two listen: it is either
		}
		role, remote = found, net.JoinHostPort(c.IP, strconv.Itoa(c.Port))
	}
	return role, remote
}
