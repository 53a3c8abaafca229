package bus

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/brockdb/brock/test/certs"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestTLS(t *testing.T) {
	w := newWorld(t)
	ca, err := certs.New(t.TempDir())
	require.NoError(t, err)
	_, err = ca.Sign("hub.test")
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(ca.Cert(), ca.Key())
	require.NoError(t, err)
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	require.True(t, strings.HasPrefix(w.server.URL(), "tls://127.0.0.1:"))
	b := w.bus() // within the process there is nothing to encrypt
	serve(t, b, Endpoint{Name: "health", Handler: answer(nil)})
	publish(t, b, 1, 1)
	require.NoError(t, b.Flush(w.ctx()))

	trust := ca.Client()
	trust.ServerName = "hub.test"
	c, err := Dial(w.ctx(), w.server.URL(), w.creds.Viewer, Viewer, trust)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Request(w.ctx(), testHub, "health", nil, nil))
	fresh := w.creds.Rotate(Operator)
	require.NoError(t, w.server.SetCredentials(fresh))
	require.NoError(t, c.Request(w.ctx(), testHub, "health", nil, nil))

	_, err = Dial(w.ctx(), w.server.URL(), w.creds.Viewer, Viewer)
	require.ErrorIs(t, err, ErrUntrusted)
	_, err = Dial(w.ctx(), w.server.URL(), w.creds.Viewer, Viewer, ca.Client())
	require.ErrorIs(t, err, ErrUntrusted, "the address is not in the certificate")
	plain := strings.Replace(w.server.URL(), "tls://", "nats://", 1)
	_, err = nats.Connect(plain, nats.UserInfo("viewer", w.creds.Viewer.Password))
	require.Error(t, err, "nobody comes in unencrypted")
}

// With TLS a server may be reached from elsewhere.
func TestTLSBeyondLoopback(t *testing.T) {
	w := newWorld(t)
	ca, err := certs.New(t.TempDir())
	require.NoError(t, err)
	_, err = ca.Sign("127.0.0.1")
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(ca.Cert(), ca.Key())
	require.NoError(t, err)
	s, err := StartServer(w.ctx(), ServerConfig{Hub: testHub, Addr: "0.0.0.0:0", StoreDir: t.TempDir(), Credentials: w.creds,
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(w.ctx())) }()
	require.True(t, strings.HasPrefix(s.URL(), "tls://127.0.0.1:"), s.URL())
	c, err := Dial(w.ctx(), s.URL(), w.creds.Viewer, Viewer, ca.Client())
	require.NoError(t, err)
	c.Close()
}
