package bus

import (
	"errors"
	"fmt"
)

// Errors that callers match with errors.Is. The text that wraps them says what
// to do next.
var (
	// ErrAddrInUse: another process listens on the server's address.
	ErrAddrInUse = errors.New("bus: address in use")
	// ErrNotLoopback: other machines can reach the address, and there is no TLS.
	ErrNotLoopback = errors.New("bus: address is not loopback")
	// ErrServerStart: the embedded server did not start.
	ErrServerStart = errors.New("bus: NATS server did not start")
	// ErrConfig: a configuration value is missing or wrong.
	ErrConfig = errors.New("bus: bad configuration")
	// ErrClosed: the bus, server, client or subscription is closed.
	ErrClosed = errors.New("bus: closed")
	// ErrBadEvent: an event lacks a field, or its detail shadows the envelope.
	ErrBadEvent = errors.New("bus: bad event")
	// ErrNoStream: a replay was asked for where there is no event stream.
	ErrNoStream = errors.New("bus: no event stream")
	// ErrAuthentication: the server knows no such user and password.
	ErrAuthentication = errors.New("bus: authentication failed")
	// ErrUntrusted: the server's certificate is nobody's who is trusted.
	ErrUntrusted = errors.New("bus: certificate not trusted")
	// ErrUnreachable: nobody answers at the address.
	ErrUnreachable = errors.New("bus: server unreachable")
	// ErrNoHub: the server runs, but no hub of that name serves the endpoint.
	ErrNoHub = errors.New("bus: no hub answers")
	// ErrConnectionLost: the connection broke while a request waited. The hub
	// may have done what was asked.
	ErrConnectionLost = errors.New("bus: connection lost")
	// ErrTooLarge: a request is larger than the server takes.
	ErrTooLarge = errors.New("bus: message too large")

	errDisconnected = errors.New("bus: not connected")
)

// Codes of the errors that the bus itself answers requests with.
const (
	CodeInternal        = "internal"          // 500: unknown error or panic
	CodeTooManyRequests = "too_many_requests" // 429: more wait than the endpoint's limit
	CodeShuttingDown    = "shutting_down"     // 503: the hub is stopping
	CodeReplyTooLarge   = "reply_too_large"   // 500: the result is larger than a NATS message may be
	CodeForbidden       = "forbidden"         // 403: the role may not ask this (client side)
)

// Error is a failed request, the same on both ends. A handler returns it to
// choose what the client sees; [Client] returns it decoded.
type Error struct {
	Code    string // one word for programs, such as "unknown_table"
	Status  int    // the HTTP status with the same meaning, such as 404
	Message string // one sentence for people
	Table   string // the table that it is about, or empty

	// Body, if set, is a JSON object (or marshals to one) whose fields go into
	// the reply beside error, message and table, such as the run that failed.
	// Its own fields of those names are left out. On the client it is the whole
	// object as json.RawMessage.
	Body any
}

// Error returns the message, or the code where there is none.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Message
}

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// LostError tells a subscriber that it missed messages.
type LostError struct {
	Lost uint64 // how many since it was last told
}

// Error says how many messages were missed.
func (e *LostError) Error() string {
	return fmt.Sprintf("bus: subscriber missed %d messages", e.Lost)
}

func configError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}
