package bus

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/brockdb/brock/test/certs"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// browse connects as a page of that origin does; the error is the handshake's.
func (w *world) browse(role Role, origin string, opts ...nats.Option) (*nats.Conn, error) {
	cred, _ := w.creds.Role(role)
	opts = append(opts, nats.UserInfo(cred.User, cred.Password), nats.NoReconnect(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.WebSocketConnectionHeaders(http.Header{"Origin": {origin}}))
	nc, err := nats.Connect(w.server.WebSocketURL(), opts...)
	if err == nil {
		w.t.Cleanup(nc.Close)
	}
	return nc, err
}

func TestWebSocketIsOffByDefault(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, w.server.WebSocketURL())
	require.Zero(t, w.server.options().Websocket.Port, "0 is none to nats-server")
}

func TestWebSocketSettings(t *testing.T) {
	for name, c := range map[string]struct {
		ws        WebSocket
		encrypted bool
		want      error
	}{
		"no TLS, not asked for":    {WebSocket{Addr: "127.0.0.1:0"}, false, ErrConfig},
		"no TLS, beyond loopback":  {WebSocket{Addr: "0.0.0.0:0", Plain: true}, false, ErrNotLoopback},
		"no address":               {WebSocket{Origins: []string{"https://a.test"}}, false, ErrConfig},
		"no address, plain":        {WebSocket{Plain: true}, false, ErrConfig},
		"no port":                  {WebSocket{Addr: "127.0.0.1"}, true, ErrConfig},
		"an origin without scheme": {WebSocket{Addr: "127.0.0.1:0", Origins: []string{"a.test"}}, true, ErrConfig},
		"any origin":               {WebSocket{Addr: "127.0.0.1:0", Origins: []string{"*"}}, true, ErrConfig},
		"an origin with a path":    {WebSocket{Addr: "127.0.0.1:0", Origins: []string{"https://a.test/x"}}, true, ErrConfig},
		"none":                     {WebSocket{}, false, nil},
		"plain on loopback":        {WebSocket{Addr: "127.0.0.1:0", Plain: true, Origins: []string{"http://a.test:8080"}}, false, nil},
		"TLS anywhere":             {WebSocket{Addr: ":0"}, true, nil},
	} {
		require.ErrorIs(t, c.ws.Validate(c.encrypted), c.want, name)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = StartServer(context.Background(), ServerConfig{Hub: testHub, Addr: "127.0.0.1:0", StoreDir: t.TempDir(), Credentials: NewCredentials(),
		WebSocket: WebSocket{Addr: taken.Addr().String(), Plain: true}})
	require.ErrorIs(t, err, ErrAddrInUse)
	require.ErrorContains(t, err, taken.Addr().String())
}

// A viewer comes in from the pages that were named, and sees what a viewer sees; nobody
// else does, from nowhere else. What is refused is told of, and is no error of the log.
func TestWebSocket(t *testing.T) {
	var heard refusals
	w := newWorld(t)
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), Refused: heard.note,
		WebSocket: WebSocket{Addr: "localhost:0", Plain: true, Origins: []string{"https://status.test"}}})
	b := w.bus()
	require.Regexp(t, `^ws://127\.0\.0\.1:\d+$`, w.server.WebSocketURL())

	viewer, err := w.browse(Viewer, "https://status.test")
	require.NoError(t, err)
	sub, err := viewer.SubscribeSync(SubjectEvents)
	require.NoError(t, err)
	require.NoError(t, viewer.Flush())
	publish(t, b, 1, 1)
	require.NoError(t, b.Flush(w.ctx()))
	_, err = sub.NextMsgWithContext(w.ctx())
	require.NoError(t, err)
	js, err := viewer.JetStream()
	require.NoError(t, err)
	again, err := js.SubscribeSync(SubjectEvents, nats.OrderedConsumer())
	require.NoError(t, err)
	_, err = again.NextMsgWithContext(w.ctx())
	require.NoError(t, err, "what was missed is replayed")
	require.NoError(t, viewer.Publish(SubjectEvents, []byte("{}")))
	heard.await(t, Refusal{Role: Viewer, What: "publish", Code: CodeForbidden})

	for _, role := range []Role{Operator, Admin} {
		_, err = w.browse(role, "https://status.test")
		require.Error(t, err, role)
	}
	heard.await(t, Refusal{What: "connect", Code: CodeUnauthorized})
	for _, origin := range []string{"https://evil.test", "http://status.test", "https://status.test:444", "null", strings.Replace(w.server.WebSocketURL(), "ws", "http", 1)} {
		_, err = w.browse(Viewer, origin)
		require.Error(t, err, origin)
	}
	heard.await(t, Refusal{What: "connect", Code: CodeForbidden})
	resp, err := http.Get(strings.Replace(w.server.WebSocketURL(), "ws", "http", 1))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	heard.await(t, Refusal{What: "connect", Code: CodeProtocol})
	require.NotContains(t, w.logs.String(), "level=ERROR")
	require.NotContains(t, w.logs.String(), "level=WARN")

	// The address stays over a restart, and rotation reaches browsers, too.
	url := w.server.WebSocketURL()
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.Restart(w.ctx()))
	require.Equal(t, url, w.server.WebSocketURL())
	cut := make(chan struct{})
	_, err = w.browse(Viewer, "https://status.test", nats.ClosedHandler(func(*nats.Conn) { close(cut) }))
	require.NoError(t, err)
	fresh := w.creds.Rotate(Viewer)
	require.NoError(t, w.server.SetCredentials(fresh))
	<-cut
	_, err = w.browse(Viewer, "https://status.test")
	require.Error(t, err)
	w.creds = fresh
	_, err = w.browse(Viewer, "https://status.test")
	require.NoError(t, err)
}

// Without origins a page must come from where the listener is.
func TestWebSocketFromTheSameOrigin(t *testing.T) {
	w := newWorld(t)
	ca, err := certs.New(t.TempDir())
	require.NoError(t, err)
	_, err = ca.Sign("127.0.0.1")
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(ca.Cert(), ca.Key())
	require.NoError(t, err)
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		WebSocket: WebSocket{Addr: "0.0.0.0:0"}})
	require.Regexp(t, `^wss://127\.0\.0\.1:\d+$`, w.server.WebSocketURL())
	trust := nats.Secure(ca.Client())
	_, err = w.browse(Viewer, strings.Replace(w.server.WebSocketURL(), "wss", "https", 1), trust)
	require.NoError(t, err)
	_, err = w.browse(Viewer, "https://127.0.0.1:1", trust)
	require.Error(t, err)
	_, err = nats.Connect(strings.Replace(w.server.WebSocketURL(), "wss", "ws", 1), nats.UserInfo("viewer", w.creds.Viewer.Password))
	require.Error(t, err, "nobody comes in unencrypted")
	require.NotContains(t, w.logs.String(), "level=ERROR")
}
