package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServerAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for addr, want := range map[string]error{
		taken.Addr().String(): ErrAddrInUse,
		"0.0.0.0:0":           ErrNotLoopback,
		":4222":               ErrNotLoopback,
		"192.0.2.1:4222":      ErrNotLoopback,
		"example.com:4222":    ErrNotLoopback,
		"127.0.0.1":           ErrConfig,
		"127.0.0.1:port":      ErrConfig,
		"127.0.0.1:70000":     ErrConfig,
	} {
		cfg := ServerConfig{Hub: testHub, Addr: addr, StoreDir: t.TempDir(), Credentials: NewCredentials()}
		_, err := StartServer(context.Background(), cfg)
		require.ErrorIs(t, err, want, addr)
		require.ErrorContains(t, err, addr)
	}
}

func TestServerConfigIsChecked(t *testing.T) {
	good := ServerConfig{Hub: testHub, Addr: "127.0.0.1:0", StoreDir: t.TempDir(), Credentials: NewCredentials()}
	for name, spoil := range map[string]func(*ServerConfig){
		"hub":       func(c *ServerConfig) { c.Hub = "Not A Hub" },
		"store":     func(c *ServerConfig) { c.StoreDir = "" },
		"password":  func(c *ServerConfig) { c.Credentials.Viewer.Password = "" },
		"user":      func(c *ServerConfig) { c.Credentials.Viewer.User = userEvents },
		"same user": func(c *ServerConfig) { c.Credentials.Viewer.User = c.Credentials.Admin.User },
	} {
		cfg := good
		spoil(&cfg)
		_, err := StartServer(context.Background(), cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	good.StoreDir = file
	_, err := StartServer(context.Background(), good)
	require.ErrorIs(t, err, ErrServerStart)
}

// nats-server's own word for "I cannot" is Fatalf, which must not end us.
func TestServerThatCannotStartDoesNotExit(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jetstream"), []byte("not a directory"), 0o600))
	_, err := StartServer(context.Background(), ServerConfig{Hub: testHub, Addr: "127.0.0.1:0", StoreDir: dir, Credentials: NewCredentials()})
	require.ErrorIs(t, err, ErrServerStart)
	require.ErrorContains(t, err, "JetStream")
}

func TestServerStoreIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no Unix permissions")
	}
	w := newWorld(t)
	b := w.bus()
	publish(t, b, 1, 1)
	require.NoError(t, b.Flush(w.ctx()))
	for _, dir := range []string{w.server.cfg.StoreDir, w.outbox} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == dir {
				return err
			}
			info, err := d.Info()
			if err == nil {
				require.Zero(t, info.Mode().Perm()&0o077, "%s %s", path, info.Mode())
			}
			return err
		}))
	}
}

func TestServerLifecycle(t *testing.T) {
	w := newWorld(t)
	url := w.server.URL()
	require.NoError(t, w.server.Restart(w.ctx())) // runs already
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.Restart(w.ctx()))
	require.Equal(t, url, w.server.URL())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _ = w.server.Stop(w.ctx()) })
		wg.Go(func() { _ = w.server.Restart(w.ctx()) })
		wg.Go(func() { _ = w.server.URL() })
	}
	wg.Wait()
	for range 2 {
		require.NoError(t, w.server.Close(w.ctx()))
	}
	require.ErrorIs(t, w.server.Restart(w.ctx()), ErrClosed)
	_, err := Open(w.ctx(), Config{Hub: testHub, OutboxDir: w.outbox, Server: w.server})
	require.Error(t, err)
}

func TestCredentialsHideTheirSecrets(t *testing.T) {
	creds := NewCredentials()
	other := NewCredentials()
	require.NotEqual(t, creds, other)
	for _, role := range Roles() {
		c, ok := creds.Role(role)
		require.True(t, ok)
		require.Equal(t, string(role), c.User)
		for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s", c, c, creds), fmt.Sprintf("%+v %#v", creds, &creds)} {
			require.NotContains(t, text, c.Password)
			require.NotContains(t, text, c.Token)
		}
	}
	_, ok := creds.Role("nobody")
	require.False(t, ok)
	data, err := json.Marshal(creds)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(data), `{"admin":{"user":"admin","password":"`))
	var back Credentials
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, creds, back)
}

// A whole life at debug level, and no secret in the log.
func TestNoSecretsInLogs(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	serve(t, b, Endpoint{Name: "health", Handler: answer(nil)})
	publish(t, b, 1, 3)
	for _, role := range Roles() {
		require.NoError(t, w.client(role).Request(w.ctx(), testHub, "health", nil, nil))
		cred, _ := w.creds.Role(role)
		_, err := Dial(w.ctx(), w.server.URL(), Credential{User: cred.User, Password: cred.Token}, role)
		require.ErrorIs(t, err, ErrAuthentication)
	}
	w.log().Info("credentials", "creds", w.creds, "viewer", w.creds.Viewer)
	require.NoError(t, b.Close(w.ctx()))
	require.NoError(t, w.server.Stop(w.ctx()))
	logs := w.logs.String()
	require.Contains(t, logs, "credential of viewer")
	for _, role := range Roles() {
		cred, _ := w.creds.Role(role)
		require.NotContains(t, logs, cred.Password)
		require.NotContains(t, logs, cred.Token)
	}
	require.NotContains(t, logs, w.server.password)
}
