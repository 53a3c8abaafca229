package bus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Subject is a subject of an embedder's own on the embedded server. The embedder's own
// connection ([Bus.Conn]) may always publish and subscribe there; clients with the
// credential of a role may as far as it says. Nothing there is kept: there is no
// JetStream but the hub's.
type Subject struct {
	Name      string // literal, or with wildcards behind the first token, such as "agents.>"
	Publish   Role   // the least role that may publish; "" none
	Subscribe Role   // the least role that may subscribe; "" none
}

// SubjectError says why a subject cannot be an embedder's. It matches ErrConfig.
type SubjectError struct {
	Subject string
	Problem string
}

// Error names the subject and says what to do.
func (e *SubjectError) Error() string { return fmt.Sprintf("subject %q %s", e.Subject, e.Problem) }

// Is makes every SubjectError match ErrConfig.
func (e *SubjectError) Is(target error) bool { return target == ErrConfig }

// Validate returns a [SubjectError] unless the subject is well formed and apart from
// those of the hub and of NATS itself.
func (s Subject) Validate() error {
	problem := ""
	first, _, _ := strings.Cut(s.Name, ".")
	switch {
	case !wellFormed(s.Name):
		problem = "is not well formed: use tokens with dots between, * for one token, > for the rest"
	case first == "*" || first == ">":
		problem = "takes in the hub's own subjects: begin with a name"
	case first == "brock" || strings.HasPrefix(first, SubjectEvents):
		problem = "is the hub's own: begin with a name of your own"
	case strings.HasPrefix(first, "$") || strings.HasPrefix(first, "_"):
		problem = "is of NATS itself: begin with a letter"
	case !s.Publish.known() || !s.Subscribe.known():
		problem = fmt.Sprintf("names no role: use one of %v, or none", Roles())
	default:
		return nil
	}
	return &SubjectError{Subject: s.Name, Problem: problem}
}

func wellFormed(subject string) bool {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		wild := strings.ContainsAny(token, "*>")
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) ||
			wild && len(token) > 1 || token == ">" && i < len(tokens)-1 {
			return false
		}
	}
	return true
}

// known says whether the role is one, or none.
func (r Role) known() bool { return r == "" || slices.Contains(Roles(), r) }

// May says whether r can do what takes at least the role least; nobody can do what takes
// none.
func (r Role) May(least Role) bool {
	return least != "" && slices.Index(Roles(), r) >= slices.Index(Roles(), least)
}

// subjectsFor are the subjects that a role may publish and subscribe to.
func subjectsFor(role Role, subjects []Subject) (publish, subscribe []string) {
	for _, s := range subjects {
		if role.May(s.Publish) {
			publish = append(publish, s.Name)
		}
		if role.May(s.Subscribe) {
			subscribe = append(subscribe, s.Name)
		}
	}
	return publish, subscribe
}

// Conn returns the embedder's connection: the one that it brought along, or one to the
// embedded server, made at the first call. That one may use the declared subjects,
// answer requests there (also as a micro service), and follow the hub's events. It
// comes back by itself after an outage; Close drains it, for at most a second.
func (b *Bus) Conn() (*Conn, error) {
	if b.cfg.Conn != nil {
		return b.cfg.Conn, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return nil, ErrClosed
	}
	if b.own == nil {
		own, err := b.cfg.Server.connect(userOwn, ownInbox, "brock embedder", ownBuffer, b.log, nats.DrainTimeout(ownDrain))
		if err != nil {
			return nil, fmt.Errorf("bus: connect to the embedded server: %w", err)
		}
		b.own = own
	}
	return b.own, nil
}
