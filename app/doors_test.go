package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"github.com/brockdb/brock/test/extent"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/certs"
	"github.com/stretchr/testify/require"
)

// logged keeps a hub's log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// audits are the lines of the audit.
func (l *logged) audits(t *testing.T) (out []bus.Audit) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		if !strings.Contains(line, `"msg":"audit"`) {
			continue
		}
		var a bus.Audit
		require.NoError(t, json.Unmarshal([]byte(line), &a), line)
		out = append(out, a)
	}
	return out
}

func logTo(l *logged, cfg app.Config) app.Config {
	cfg.Logger = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return cfg
}

func dial(t *testing.T, h *app.Hub, cred app.Credential, role app.Role, trust ...*tls.Config) *bus.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := bus.Dial(ctx, h.NATSURL(), cred, role, trust...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestNothingIsOpenBeyondLoopback(t *testing.T) {
	for _, change := range []func(*app.Config){
		func(c *app.Config) { c.NATSAddr = "0.0.0.0:0" },
		func(c *app.Config) { c.HTTPAddr = ":0" },
		func(c *app.Config) { c.HTTPAddr = "192.0.2.1:80" },
		func(c *app.Config) { c.NATSAddr = "hub.example:4222" },
		func(c *app.Config) { c.WebSocket = app.WebSocket{Addr: ":0", Plain: true} },
	} {
		cfg := quiet(filepath.Join(t.TempDir(), "data"))
		change(&cfg)
		_, err := app.Open(context.Background(), cfg)
		require.ErrorIs(t, err, app.ErrNotLoopback)
		require.ErrorContains(t, err, "tls_cert")
		require.NoDirExists(t, cfg.Data)
	}
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.WebSocket.Addr = "127.0.0.1:0"
	require.ErrorIs(t, cfg.Validate(), app.ErrInvalid, "not unencrypted, unless asked for")
	cfg.WebSocket.Plain = true
	require.NoError(t, cfg.Validate())
	cfg.TLS.Cert = "cert.pem"
	require.ErrorIs(t, cfg.Validate(), app.ErrInvalid)
	cfg.TLS.Key = "key.pem"
	_, err := app.Open(context.Background(), cfg)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTLSOnBothRoads(t *testing.T) {
	ca, err := certs.New(t.TempDir())
	require.NoError(t, err)
	first, err := ca.Sign("hub.test")
	require.NoError(t, err)
	var log logged
	cfg := logTo(&log, quiet(filepath.Join(t.TempDir(), "data")))
	cfg.NATSAddr, cfg.HTTPAddr, cfg.HTTPHosts = "0.0.0.0:0", "0.0.0.0:0", []string{"hub.test"}
	cfg.TLS = app.TLS{Cert: ca.Cert(), Key: ca.Key(), CA: ca.CA}
	h := open(t, cfg)
	found, ok, err := remote.Find(cfg.Data)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(found.HTTPURL, "https://127.0.0.1:"), found.HTTPURL)
	require.True(t, strings.HasPrefix(found.NATSURL, "tls://127.0.0.1:"), found.NATSURL)
	require.Equal(t, "hub.test", found.TLSName)
	require.Equal(t, ca.CA, found.TLSCA)

	trust := ca.Client()
	trust.ServerName = found.TLSName
	serial := func() int64 { // of a connection of its own
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
		resp, err := client.Get(h.HTTPURL() + "/healthz")
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	require.Equal(t, first, serial())
	c := dial(t, h, h.Credentials().Viewer, app.Viewer, trust)
	require.NoError(t, c.Request(t.Context(), h.Name(), "health", nil, nil))

	second, err := ca.Sign("hub.test")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return serial() == second }, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, os.WriteFile(ca.Cert(), []byte("no certificate"), 0o600))
	require.Eventually(t, func() bool {
		require.Equal(t, second, serial(), "the old one stays")
		return strings.Contains(log.String(), "the new certificate cannot be used")
	}, 30*time.Second, 50*time.Millisecond)
	third, err := ca.Sign("hub.test")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return serial() == third }, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, c.Request(t.Context(), h.Name(), "health", nil, nil), "who is in stays in")
	dial(t, h, h.Credentials().Viewer, app.Viewer, trust)
	shut(t, h)
}

func TestCredentialsAreRotatedWithoutARestart(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	next := follow(t, c.h)
	old := c.h.Credentials()
	in := func(token string) bool {
		req, err := http.NewRequest("GET", c.h.HTTPURL()+"/api/admin/health", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	require.True(t, in(old.Viewer.Token))
	require.NoError(t, c.h.RotateCredentials(t.Context(), app.Viewer))
	require.False(t, in(old.Viewer.Token))
	require.True(t, in(c.h.Credentials().Viewer.Token))
	require.Equal(t, old.Admin, c.h.Credentials().Admin)
	onDisk, err := remote.LoadCredentials(cfg.Data)
	require.NoError(t, err)
	require.Equal(t, c.h.Credentials(), onDisk)
	_, err = bus.Dial(t.Context(), c.h.NATSURL(), old.Viewer, app.Viewer)
	require.ErrorIs(t, err, bus.ErrAuthentication)

	// Over NATS, all at once; the answer comes before the asker is cut off.
	var reply struct{ Roles []string }
	require.NoError(t, dial(t, c.h, onDisk.Admin, app.Admin).Request(t.Context(), c.h.Name(), "credentials.rotate", nil, &reply))
	require.Equal(t, []string{"viewer", "operator", "admin"}, reply.Roles)
	require.False(t, in(old.Admin.Token))
	require.Eventually(t, func() bool {
		c, err := bus.Dial(t.Context(), c.h.NATSURL(), c.h.Credentials().Viewer, app.Viewer)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "the new ones count soon after the answer")
	require.ErrorIs(t, dial(t, c.h, c.h.Credentials().Operator, app.Operator).Request(t.Context(), c.h.Name(), "credentials.rotate", nil, nil),
		&bus.Error{Code: bus.CodeForbidden})
	require.ErrorIs(t, c.h.RotateCredentials(t.Context(), "boss"), app.ErrInvalid)

	// By hand: what is wrong changes nothing.
	file := filepath.Join(cfg.Data, "credentials.json")
	now := c.h.Credentials()
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	require.Error(t, c.h.ReloadCredentials(t.Context()))
	require.True(t, in(now.Viewer.Token))
	b, err := json.Marshal(old)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, b, 0o600))
	require.NoError(t, c.h.ReloadCredentials(t.Context()))
	require.True(t, in(old.Viewer.Token))
	require.False(t, in(now.Viewer.Token))
	dial(t, c.h, old.Viewer, app.Viewer)

	_, err = c.h.Backup(t.Context())
	require.NoError(t, err)
	expect(t, next, app.BackupComplete) // the hub's own connections went on
	shut(t, c.h)
	h := open(t, cfg)
	require.Equal(t, old, h.Credentials())
}

func TestTheAudit(t *testing.T) {
	var log logged
	cfg := logTo(&log, quiet(filepath.Join(t.TempDir(), "data")))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	creds := c.h.Credentials()
	live, err := dial(t, c.h, creds.Operator, app.Operator).Audits(t.Context())
	require.NoError(t, err)

	status, _ := c.ask(app.Viewer, "POST", "/api/admin/backup", "")
	require.Equal(t, http.StatusForbidden, status)
	c.good(app.Operator, "POST", "/api/admin/backup", `{"tables":["a"]}`)
	_, _ = c.ask("", "GET", "/api/admin/health", "")
	_, _ = c.ask(app.Admin, "GET", "/made/up/by/me", "")
	c.good(app.Viewer, "GET", "/api/admin/health", "") // reads nothing that is written down
	admin := dial(t, c.h, creds.Admin, app.Admin)
	require.NoError(t, admin.Request(t.Context(), c.h.Name(), "compact", map[string]any{"tables": []string{"a"}}, nil))
	require.Error(t, admin.Request(t.Context(), c.h.Name(), "backup", map[string]any{"tables": []string{"none"}}, nil))
	viewer := dial(t, c.h, creds.Viewer, app.Viewer)
	require.Error(t, viewer.Request(t.Context(), c.h.Name(), "drill", nil, nil))
	_, err = bus.Dial(t.Context(), c.h.NATSURL(), app.Credential{User: "admin", Password: "guess"}, app.Admin)
	require.Error(t, err)

	want := []bus.Audit{
		{Road: "http", Role: "viewer", What: "POST /api/admin/backup", Outcome: "forbidden"},
		{Road: "http", Role: "operator", What: "POST /api/admin/backup", Tables: []string{"a"}, Outcome: "ok"},
		{Road: "http", Role: "none", What: "GET /api/admin/health", Outcome: "unauthorized"},
		{Road: "http", Role: "none", What: "unknown", Outcome: "not_found"},
		{Road: "nats", Role: "admin", What: "compact", Tables: []string{"a"}, Outcome: "ok"},
		{Road: "nats", Role: "admin", What: "backup", Tables: []string{"none"}, Outcome: "unknown_table"},
		{Road: "nats", Role: "viewer", What: "drill", Outcome: "forbidden"},
		{Road: "nats", Role: "none", What: "connect", Outcome: "unauthorized"},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ids := map[string]bool{}
	var got []bus.Audit
	for range want {
		a, err := live.Next(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, a.ID)
		require.False(t, ids[a.ID])
		ids[a.ID] = true
		require.Regexp(t, `^127\.0\.0\.1:\d+$`, a.Remote, "%+v", a)
		require.WithinDuration(t, time.Now(), time.UnixMilli(a.Timestamp), time.Minute)
		require.Equal(t, c.h.Name(), a.Hub)
		require.Equal(t, 1, a.Count)
		if len(a.Tables) == 0 {
			a.Tables = nil
		}
		got = append(got, bus.Audit{Road: a.Road, Role: a.Role, What: a.What, Tables: a.Tables, Outcome: a.Outcome})
	}
	require.ElementsMatch(t, want, got)
	shut(t, c.h)
	require.Len(t, log.audits(t), len(want))
}

// Who may restore may not write into what the hub keeps, by whatever name.
func TestRestoresStayOutOfTheHub(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	_, err := c.h.Backup(t.Context())
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(cfg.Data, link))
	for _, to := range []string{cfg.Data, cfg.Data + "/x", cfg.Data + "/vault/tables", link + "/new/deep", cfg.Data + "/../data/y", "relative"} {
		body, err := json.Marshal(map[string]string{"to": to})
		require.NoError(t, err)
		status, out := c.ask(app.Operator, "POST", "/api/admin/restore/a", string(body))
		require.Equal(t, http.StatusBadRequest, status, "%s: %v", to, out)
	}
	c.good(app.Operator, "POST", "/api/admin/restore/a", `{"to":"`+filepath.Join(t.TempDir(), "data2")+`"}`)
}

// A flood is counted, not written down line by line, and none of it is lost.
func TestAFloodDoesNotFillTheLog(t *testing.T) {
	var log logged
	cfg := logTo(&log, quiet(filepath.Join(t.TempDir(), "data")))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	flood := extent.Few(300, 1000)
	for range flood {
		_, _ = c.ask("", "GET", "/api/admin/health", "")
	}
	shut(t, c.h)
	lines, sum := 0, 0
	for _, a := range log.audits(t) {
		lines, sum = lines+1, sum+a.Count
	}
	require.Less(t, lines, 100)
	require.Equal(t, flood, sum)
}

// No secret is in any log line, event, error, answer or file that others may read.
func TestSecretsStayInside(t *testing.T) {
	var log logged
	cfg := logTo(&log, quiet(filepath.Join(t.TempDir(), "data")))
	cfg.Tables = []string{"a", "b"}
	shut(t, open(t, cfg))
	require.NoError(t, os.RemoveAll(filepath.Join(cfg.Data, "tables", "b"))) // something fails
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer receiver.Close()
	cfg.Alerts = app.Alerts{Heartbeat: receiver.URL + "/beat-canary", HeartbeatEvery: time.Second,
		Webhooks: []app.Webhook{{URL: receiver.URL + "/hook-canary?key=query-canary", Secret: "whsec_c2lnbmluZy1jYW5hcnktY2FuYXJ5"},
			{URL: "http://user-canary:pass-canary@127.0.0.1:1/refused-canary"}}}
	c := overHTTP(t, cfg)
	creds := c.h.Credentials()
	var said bytes.Buffer
	hear := func(v any, err error) {
		b, _ := json.Marshal(v)
		said.Write(b)
		if err != nil {
			said.WriteString(err.Error())
		}
	}
	secrets := map[string]string{"heartbeat": "beat-canary", "hook": "hook-canary", "query": "query-canary", "user": "user-canary",
		"password": "pass-canary", "path": "refused-canary", "signature": "c2lnbmluZy1jYW5hcnktY2FuYXJ5", "signing key": "signing-canary"}
	for role, cred := range map[string]app.Credential{"viewer": creds.Viewer, "operator": creds.Operator, "admin": creds.Admin} {
		secrets[role+" password"], secrets[role+" token"] = cred.Password, cred.Token
	}
	for _, r := range c.h.HTTPRoutes() {
		if r.Stream {
			continue
		}
		path := strings.NewReplacer("{id}", "x", "{table}", "b", "{$}", "").Replace(r.Path)
		for _, token := range []string{"", creds.Viewer.Token, creds.Admin.Token, creds.Admin.Password, creds.Admin.Token + "x"} {
			req, err := http.NewRequest(r.Method, c.h.HTTPURL()+path, strings.NewReader(""))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			hear(resp.Header, err)
			said.Write(body)
		}
	}
	for role, cred := range map[app.Role]app.Credential{app.Viewer: creds.Viewer, app.Admin: creds.Admin} {
		client := dial(t, c.h, cred, role)
		for _, e := range []string{"health", "list", "backup", "verify", "drill", "restore", "compact", "alert", "records.count"} {
			var out any
			err := client.Request(t.Context(), c.h.Name(), e, nil, &out)
			hear(out, err)
		}
		_, err := bus.Dial(t.Context(), c.h.NATSURL(), app.Credential{User: cred.User, Password: cred.Token}, role)
		hear(nil, err)
	}
	require.NoError(t, c.h.RotateCredentials(t.Context()))
	for role, cred := range map[string]app.Credential{"new viewer": c.h.Credentials().Viewer, "new admin": c.h.Credentials().Admin} {
		secrets[role+" password"], secrets[role+" token"] = cred.Password, cred.Token
	}
	spoilt := c.h.Credentials()
	spoilt.Viewer.User = spoilt.Admin.User
	b, err := json.Marshal(spoilt)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(cfg.Data, "credentials.json"), b, 0o600))
	hear(nil, c.h.ReloadCredentials(t.Context()))
	last, err := c.h.Backup(t.Context(), "b")
	require.Error(t, err)
	hear(last, err)
	for e, err := range c.h.Events(t.Context(), time.Unix(1, 0)) {
		hear(e, err)
		if run, err := app.Decode[app.Run](e); err == nil && e.Type == app.BackupFailed && run.ID == last.ID {
			break
		}
	}
	shut(t, c.h)
	require.NotEmpty(t, said.String())
	for name, secret := range secrets {
		require.NotContains(t, log.String(), secret, name)
		require.NotContains(t, said.String(), secret, name)
	}
	presence, _ := os.ReadFile(filepath.Join(cfg.Data, "hub.json"))
	require.Empty(t, presence)
}
