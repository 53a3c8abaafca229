package bus

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDialErrors(t *testing.T) {
	w := newWorld(t)
	wrong := w.creds.Viewer
	wrong.Password = "wrong-secret"
	_, err := Dial(w.ctx(), w.server.URL(), wrong, Viewer)
	require.ErrorIs(t, err, ErrAuthentication)
	require.ErrorContains(t, err, "credentials.json")
	require.NotContains(t, err.Error(), "wrong-secret")
	require.NotContains(t, w.logs.String(), "wrong-secret")

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	_, err = Dial(w.ctx(), "nats://"+addr, w.creds.Viewer, Viewer)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, addr)

	for _, bad := range []string{"", "http://127.0.0.1:1", "nats://u:hidden@127.0.0.1:1", "nats://a:1,b:2", "nats://a\x7f:hidden"} {
		_, err = Dial(w.ctx(), bad, w.creds.Viewer, Viewer)
		require.ErrorIs(t, err, ErrConfig, bad)
		require.NotContains(t, err.Error(), "hidden")
	}
}

// Something that listens but is silent must not hold a dial beyond its context.
func TestDialEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		accepted <- conn
		cancel()
	}()
	_, err = Dial(ctx, "nats://"+l.Addr().String(), Credential{}, Viewer)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorIs(t, err, context.Canceled)
	(<-accepted).Close()
}

func TestRequestErrors(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	c := w.client(Viewer)
	require.ErrorIs(t, c.Request(w.ctx(), testHub, "health", nil, nil), ErrNoHub)
	err := c.Request(w.ctx(), testHub, "backup", nil, nil)
	require.ErrorIs(t, err, &Error{Code: CodeForbidden})
	require.ErrorIs(t, c.Request(w.ctx(), "no hub", "health", nil, nil), ErrConfig)
	require.ErrorIs(t, c.Request(w.ctx(), testHub, "health", bytes.Repeat([]byte("x"), maxPayload+1), nil), ErrTooLarge)

	started, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	serve(t, b, Endpoint{Name: "health", Handler: func(context.Context, []byte) (any, error) {
		started <- struct{}{}
		<-release
		return nil, nil
	}})
	short, cancel := context.WithTimeout(w.ctx(), 50*time.Millisecond)
	defer cancel()
	go func() { <-started }()
	require.ErrorIs(t, c.Request(short, testHub, "health", nil, nil), context.DeadlineExceeded)

	reply := make(chan error, 1)
	go func() { reply <- c.Request(w.ctx(), testHub, "health", nil, nil) }()
	receive(t, started)
	require.NoError(t, w.server.Stop(w.ctx()))
	require.ErrorIs(t, receive(t, reply), ErrConnectionLost)
	require.ErrorIs(t, c.Request(w.ctx(), testHub, "health", nil, nil), ErrConnectionLost)
	c.Close()
	require.ErrorIs(t, c.Request(w.ctx(), testHub, "health", nil, nil), ErrClosed)
	_, err = c.Events(w.ctx(), SubscribeOptions{})
	require.ErrorIs(t, err, ErrClosed)
	c.Close()
}

func TestCloseEndsRequestsAndSubscriptions(t *testing.T) {
	w := newWorld(t)
	started, release := make(chan struct{}), make(chan struct{})
	serve(t, w.bus(), Endpoint{Name: "health", Handler: func(context.Context, []byte) (any, error) {
		close(started)
		<-release
		return nil, nil
	}})
	c := w.client(Viewer)
	events, err := c.Events(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	progress, err := c.Progress(w.ctx())
	require.NoError(t, err)
	reply := make(chan error, 1)
	go func() { reply <- c.Request(w.ctx(), testHub, "health", nil, nil) }()
	receive(t, started)
	c.Close()
	close(release)
	require.ErrorIs(t, receive(t, reply), ErrClosed)
	_, err = events.Next(w.ctx())
	require.ErrorIs(t, err, ErrClosed)
	_, err = progress.Next(w.ctx())
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, events.Err(), ErrClosed)
}
