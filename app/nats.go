package app

import (
	"fmt"

	"github.com/brockdb/brock/bus"
)

// What an embedder needs of NATS, without a second import.
type (
	// Conn is a connection, nats.go's *nats.Conn is one.
	Conn = bus.Conn
	// Role is what a credential may do; each may do all that the one before it may.
	Role = bus.Role
	// Credentials holds one credential a role. Printing one shows no secret.
	Credentials = bus.Credentials
	// Credential lets somebody in: User and Password over NATS, Token over HTTP.
	Credential = bus.Credential
	// WebSocket says how browsers reach the embedded NATS server; see [Config.WebSocket].
	WebSocket = bus.WebSocket
	// Subject is a subject of your own on the embedded server; see [Config.Subjects].
	Subject = bus.Subject
	// SubjectError says why a subject cannot be yours.
	SubjectError = bus.SubjectError
)

// The roles, the least first.
const (
	Viewer   = bus.Viewer   // sees: health, runs, snapshots, events
	Operator = bus.Operator // acts: backup, verify, drill, restore, compact
	Admin    = bus.Admin    // reads and writes records
)

// NATS returns a connection within the process that may use [Config.Subjects] and
// follow the hub's events; every call returns the same one. It comes back by itself when
// the server was away, and the hub closes it after its tables. Where you brought your
// own connection it is that one. The error matches [ErrInvalid] on an offline hub, and
// [ErrClosed] on one that is closed.
func (h *Hub) NATS() (*Conn, error) {
	if h.bus == nil {
		return nil, fmt.Errorf("%w: an offline hub has no NATS", ErrInvalid)
	}
	nc, err := h.bus.Conn()
	return nc, h.closedBus(err)
}

// checkSubjects says what is wrong with the embedder's subjects.
func (c Config) checkSubjects() error {
	if c.NATS != nil && len(c.Subjects) > 0 {
		return fmt.Errorf("%w configuration: Subjects are the embedded server's; on a NATS connection of yours, your server says who may use what", ErrInvalid)
	}
	for _, s := range c.Subjects {
		if err := s.Validate(); err != nil {
			return fmt.Errorf("%w configuration: %w", ErrInvalid, err)
		}
	}
	return nil
}
