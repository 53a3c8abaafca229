package bus

import (
	"regexp"
	"strconv"
	"strings"
)

// Refusal is something that the NATS server itself did not let through, or the request
// service did not take.
type Refusal struct {
	Role   Role   // "" where nobody known asked
	Remote string // host:port; "" where it is not known
	What   string // an endpoint's name, or connect, publish, subscribe
	Code   string // such as [CodeForbidden]
}

// CodeUnauthorized is of who has no credential of the hub.
const CodeUnauthorized = "unauthorized"

// CodeProtocol is of who does not speak as a client does.
const CodeProtocol = "protocol"

// The server tells of what it refuses in its log and nowhere else. What comes before is
// the client's address, and what it calls itself, quoted; a percent sign in that spoils
// what follows.
var (
	violation = regexp.MustCompile(`^(\S+) - [cw]id:\d+ .*- "[^"/ ]*/user:([^"]*)" - (Publish|Subscription) Violation(?: - (?:Subject|Reply) "((?:[^"\\]|\\.)*)")?`)
	stranger  = regexp.MustCompile(`^(\S+) - [cw]id:\d+ .*- authentication error`)
	handshake = regexp.MustCompile(`^(\S+:\d+) - websocket handshake error: (.*)`)
	unsafe    = regexp.MustCompile(`^websocket: TLS handshake error from (\S+:\d+): `)
	nonsense  = regexp.MustCompile(`^(\S+:\d+) - [cw]id:\d+ - `) // of a client on the network
)

// refusal reads a line of the server's log; ok is false for any other line.
func (s *Server) refusal(line string) (r Refusal, ok bool) {
	if m := violation.FindStringSubmatch(line); m != nil {
		r = Refusal{Remote: m[1], Code: CodeForbidden, What: "publish"}
		if r.Role, ok = s.roleOf(m[2]); !ok {
			return r, false // a user of the hub's own: that is a fault, and no refusal
		}
		subject, err := strconv.Unquote(`"` + m[4] + `"`)
		endpoint, own := strings.CutPrefix(subject, requestSubject(s.cfg.Hub, ""))
		switch {
		case m[3] == "Subscription":
			r.What = "subscribe"
		case err == nil && own && declared(endpoint) != "":
			r.What = declared(endpoint)
		}
		return r, true
	}
	if m := stranger.FindStringSubmatch(line); m != nil {
		return Refusal{Remote: m[1], Code: CodeUnauthorized, What: "connect"}, true
	}
	if m := handshake.FindStringSubmatch(line); m != nil {
		r = Refusal{Remote: m[1], Code: CodeProtocol, What: "connect"}
		if isForeignOrigin(m[2]) {
			r.Code = CodeForbidden
		}
		return r, true
	}
	if m := unsafe.FindStringSubmatch(line); m != nil {
		return Refusal{Remote: m[1], Code: CodeProtocol, What: "connect"}, true
	}
	if m := nonsense.FindStringSubmatch(line); m != nil {
		return Refusal{Remote: m[1], Code: CodeProtocol, What: "connect"}, true
	}
	return r, false
}

// noteRefusal tells of a line that is a refusal; false for any other.
func (s *Server) noteRefusal(line string) bool {
	r, ok := s.refusal(line)
	if ok && s.cfg.Refused != nil {
		s.cfg.Refused(r)
	}
	return ok
}

// declared is the endpoint as permissions name it, "" for none of them: a name that does
// not grow with what clients make up.
func declared(endpoint string) string {
	for _, names := range endpointsOf {
		for _, name := range names {
			prefix, many := strings.CutSuffix(name, ">")
			if name == endpoint || many && strings.HasPrefix(endpoint, prefix) {
				return strings.TrimSuffix(name, ".>")
			}
		}
	}
	return ""
}

// roleOf returns the role that a user name is of.
func (s *Server) roleOf(user string) (Role, bool) {
	for _, role := range Roles() {
		if cred, _ := s.credentials().Role(role); cred.User == user {
			return role, true
		}
	}
	return "", false
}
