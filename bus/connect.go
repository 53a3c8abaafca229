package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	inProcessRetry = 100 * time.Millisecond // costs a failed function call
	replyBuffer    = 64 << 20               // replies made during an outage wait for its end
	ownBuffer      = nats.DefaultReconnectBufSize
	ownDrain       = time.Second // the hub waits no longer for subscriptions that nobody reads
)

// connect makes a connection for one of the users of this process: in process, back
// by itself after every restart of the server.
func (s *Server) connect(user, inbox, name string, pending int, log *slog.Logger, more ...nats.Option) (*Conn, error) {
	opts := append([]nats.Option{
		nats.InProcessServer(s),
		nats.Name(name),
		nats.UserInfo(user, s.password),
		nats.CustomInboxPrefix(inbox),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(inProcessRetry),
		nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(pending),
		nats.IgnoreAuthErrorAbort(),
		nats.IgnoreDiscoveredServers(),
		nats.DisconnectErrHandler(func(_ *Conn, err error) { log.Debug("NATS connection lost", "name", name, "error", err) }),
		nats.ReconnectHandler(func(*Conn) { log.Debug("NATS connection is back", "name", name) }),
		nats.ErrorHandler(logAsync(log, name)),
	}, more...)
	return nats.Connect("nats://hub", opts...) // a placeholder: the provider is asked
}

// logAsync logs what NATS reports outside any call.
func logAsync(log *slog.Logger, name string) nats.ErrHandler {
	return func(_ *Conn, sub *nats.Subscription, err error) {
		subject := ""
		if sub != nil {
			subject = sub.Subject
		}
		log.Warn("NATS reports an error", "name", name, "subject", subject, "error", err)
	}
}

// drainConn closes nc after what is buffered has left, or at once when ctx ends
// first. It returns when nc is closed.
func drainConn(ctx context.Context, nc *Conn) error {
	closed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(closed)
	if err := nc.Drain(); err != nil {
		nc.Close()
		if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrConnectionReconnecting) {
			return nil
		}
		return err
	}
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		nc.Close()
		return ctx.Err()
	}
}

// whileConnected returns a context that also ends when the connection breaks:
// what is asked just then is never answered. stop must be called.
func whileConnected(ctx context.Context, nc *Conn) (connected context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	status := nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CONNECTED, nats.CLOSED)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer nc.RemoveStatusListener(status)
		defer cancel()
		select {
		case <-status:
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

// awaitConnected waits until the connection is there, closed for good, or ctx
// ends.
func awaitConnected(ctx context.Context, nc *Conn) {
	status := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(status)
	if nc.IsConnected() || nc.IsClosed() {
		return
	}
	select {
	case <-status:
	case <-ctx.Done():
	}
}
