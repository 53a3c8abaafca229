package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	dialTimeout  = 5 * time.Second
	clientRetry  = 250 * time.Millisecond
	closeTimeout = 2 * time.Second
)

// Client asks hubs and follows their events, for the brock command and for
// tests. It connects only to the address that it was given. Subscriptions
// survive outages; requests under way fail with ErrConnectionLost. Its methods
// may be called from any goroutine.
type Client struct {
	nc   *Conn
	addr string

	subs *family

	mu      sync.Mutex // guards what follows
	closed  bool
	waiting map[*waiter]struct{}
}

// waiter is a request under way.
type waiter struct {
	subject string
	fail    context.CancelCauseFunc
}

// Dial connects to a hub's NATS server at rawURL (nats://host:port, without
// user info) as cred. The role chooses the private inbox; empty means the
// stock one, for servers that are not the embedded one. Errors match
// ErrAuthentication, ErrUnreachable or ErrConfig; they name the address, and
// never the password.
//
// A server at tls://host:port must show a certificate that trust accepts; without one the
// system's roots decide.
func Dial(ctx context.Context, rawURL string, cred Credential, role Role, trust ...*tls.Config) (*Client, error) {
	addr, err := clientAddr(rawURL)
	if err != nil {
		return nil, err
	}
	c := &Client{addr: addr, subs: newFamily(), waiting: map[*waiter]struct{}{}}
	dialer := &firstDial{ctx: ctx}
	opts := c.options(ctx, cred, role, dialer)
	for _, t := range trust {
		if t != nil {
			opts = append(opts, nats.Secure(t))
		}
	}
	c.nc, err = nats.Connect(rawURL, opts...)
	dialer.over()
	if err != nil {
		c.subs.close()
		return nil, dialError(ctx, addr, err)
	}
	return c, nil
}

func (c *Client) options(ctx context.Context, cred Credential, role Role, dialer *firstDial) []nats.Option {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(deadline)), time.Millisecond)
	}
	opts := []nats.Option{
		nats.Name("brock client"),
		nats.UserInfo(cred.User, cred.Password),
		nats.IgnoreDiscoveredServers(),
		nats.SetCustomDialer(dialer),
		nats.Timeout(timeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(clientRetry),
		nats.DisconnectErrHandler(func(*Conn, error) { c.failWaiting("", c.lostError()) }),
		nats.ClosedHandler(func(*Conn) { c.failWaiting("", c.lostError()) }),
		nats.ErrorHandler(c.asyncError),
	}
	if role != "" {
		opts = append(opts, nats.CustomInboxPrefix(role.inboxPrefix()))
	}
	return opts
}

// clientAddr checks a URL and returns its host and port.
func clientAddr(rawURL string) (string, error) {
	if !strings.Contains(rawURL, "://") {
		rawURL = "nats://" + rawURL
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil: // url.Error repeats the URL, which may hold a password
		return "", configError("the NATS URL is malformed")
	case u.User != nil:
		return "", configError("the NATS URL must not hold user info; give a credential")
	case u.Scheme != "nats" && u.Scheme != "tls", u.Hostname() == "", strings.Contains(u.Host, ","):
		return "", configError("the NATS URL %q is not nats://host:port", rawURL)
	}
	return u.Host, nil
}

// dialError says what went wrong and what to do next.
func dialError(ctx context.Context, addr string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, addr, ctx.Err())
	}
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
		return fmt.Errorf("%w: the NATS server at %s does not know this user and password; use those in the hub's credentials.json (brock env --role viewer prints them)", ErrAuthentication, addr)
	}
	var unknown x509.UnknownAuthorityError
	var misnamed x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &misnamed) {
		return fmt.Errorf("%w: the NATS server at %s shows a certificate that is not trusted (%w); name the file with its authority's certificate with --tls-ca", ErrUntrusted, addr, err)
	}
	return fmt.Errorf("%w: no NATS server answers at %s (%w); is the hub running?", ErrUnreachable, addr, err)
}

func (c *Client) lostError() error {
	return fmt.Errorf("%w: %s; what was asked may still be done: look before you ask again", ErrConnectionLost, c.addr)
}

// asyncError hears from the server that something was not allowed, and fails
// the requests that would otherwise wait for ever.
func (c *Client) asyncError(_ *Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	c.failWaiting(err.Error(), &Error{
		Code: CodeForbidden, Status: 403, Message: "this role may not ask that; use the credential of a higher role",
	})
}

// failWaiting fails the requests whose quoted subject is in text, or all.
func (c *Client) failWaiting(text string, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waiting {
		if text == "" || strings.Contains(text, `"`+w.subject+`"`) {
			w.fail(why)
		}
	}
}

// Events follows the events of all hubs on the server. It ends with ctx, Close
// of either side, and survives outages. Errors: ErrConfig, ErrNoStream,
// ErrClosed.
func (c *Client) Events(ctx context.Context, opts SubscribeOptions) (*Subscription[Event], error) {
	return follow(ctx, c.subs, func(ctx context.Context) (*Subscription[Event], error) {
		return subscribeEvents(ctx, c.nc, opts, true, slog.New(slog.DiscardHandler))
	})
}

// Progress follows progress from now on.
func (c *Client) Progress(ctx context.Context) (*Subscription[Progress], error) {
	return follow(ctx, c.subs, func(ctx context.Context) (*Subscription[Progress], error) {
		return ProgressEvents.subscribe(ctx, c.nc, 0, nil)
	})
}

// Close ends requests and subscriptions and waits for them. Twice is fine.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.failWaiting("", ErrClosed)
	c.subs.close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = drainConn(ctx, c.nc)
}
