package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
)

// caller asks a hub over HTTP.
type caller struct {
	t *testing.T
	h *app.Hub
}

func overHTTP(t *testing.T, cfg app.Config) *caller {
	t.Helper()
	cfg.HTTPAddr = "127.0.0.1:0"
	c := &caller{t, open(t, cfg)}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return c
}

// ask returns status and answer, decoded.
func (c *caller) ask(role app.Role, method, path, body string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.h.HTTPURL()+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if cred, ok := c.h.Credentials().Role(role); ok {
		req.Header.Set("Authorization", "Bearer "+cred.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	conforms(c.t, c.h, method, path, resp, b)
	var out map[string]any
	require.NoError(c.t, json.Unmarshal(b, &out), string(b))
	return resp.StatusCode, out
}

// good asks what must succeed.
func (c *caller) good(role app.Role, method, path, body string) map[string]any {
	c.t.Helper()
	status, out := c.ask(role, method, path, body)
	require.Equal(c.t, http.StatusOK, status, "%s %s: %v", method, path, out)
	return out
}

func TestTheHTTPAPI(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a", "b"}
	c := overHTTP(t, cfg)
	ctx := context.Background()
	_, err := table(t, c.h, "a").Put(ctx, []byte("k"), []byte("v"))
	require.NoError(t, err)

	run := c.good(app.Operator, "POST", "/api/admin/backup", "")
	require.Equal(t, "complete", run["status"])
	require.Equal(t, "http", run["trigger"])
	require.EqualValues(t, 2, run["tables_success"])
	require.Equal(t, run, c.good(app.Viewer, "GET", "/api/admin/runs/"+run["run"].(string), ""))
	require.EqualValues(t, 1, c.good(app.Operator, "POST", "/api/admin/backup", `{"tables":["b"]}`)["tables_total"])

	require.Len(t, c.good(app.Viewer, "GET", "/api/admin/snapshots", "")["snapshots"], 3)
	require.Len(t, c.good(app.Viewer, "GET", "/api/admin/snapshots?table=a", "")["snapshots"], 1)
	require.Contains(t, c.good(app.Viewer, "GET", "/api/admin/health", ""), "health_status")
	require.Equal(t, "ok", c.good(app.Operator, "POST", "/api/admin/verify", "")["status"])
	require.Equal(t, "ok", c.good(app.Operator, "POST", "/api/admin/drill", `{"tables":["a"]}`)["status"])
	require.Equal(t, "complete", c.good(app.Operator, "POST", "/api/admin/compact", "")["status"])
	require.Len(t, c.good(app.Operator, "POST", "/api/admin/compact/a", "")["results"], 1)
	require.Equal(t, true, c.good(app.Operator, "POST", "/api/admin/restore", `{"tables":["a"],"dry_run":true}`)["dry_run"])
	restored := c.good(app.Operator, "POST", "/api/admin/restore/a", `{"snapshot":"latest"}`)
	require.Equal(t, "restored", restored["status"])
	require.Equal(t, "a", restored["table"])
	require.Len(t, restored["results"], 1)

	for _, tc := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/api/admin/backup", `{"tables":["nope"]}`, 404, "unknown_table"},
		{"POST", "/api/admin/restore/nope", "", 404, "unknown_table"},
		{"POST", "/api/admin/compact/nope", "", 404, "unknown_table"},
		{"GET", "/api/admin/snapshots?table=nope", "", 404, "unknown_table"},
		{"GET", "/api/admin/snapshots?tabel=a", "", 400, "invalid"},
		{"GET", "/api/admin/runs/nope", "", 404, "unknown_run"},
		{"GET", "/api/admin/runs/..%2f..%2fbrock.json", "", 404, "not_found"},
		{"POST", "/api/admin/backup", `{"tabels":[]}`, 400, "invalid"},
		{"POST", "/api/admin/backup", `{`, 400, "invalid"},
		{"POST", "/api/admin/restore", `{}`, 400, "invalid"},
		{"POST", "/api/admin/restore/a", `{"tables":["b"]}`, 400, "invalid"},
		{"POST", "/api/admin/restore/a", `{"All":true}`, 400, "invalid"},
		{"POST", "/api/admin/restore/a", `[1]`, 400, "invalid"},
		{"POST", "/api/admin/restore/a", `{"snapshot":"1999"}`, 500, ""},
		{"POST", "/api/admin/compact/..%2fb", "", 404, ""},
		{"GET", "/api/admin/backup", "", 405, "method_not_allowed"},
	} {
		status, out := c.ask(app.Admin, tc.method, tc.path, tc.body)
		require.Equal(t, tc.status, status, "%s %s %s: %v", tc.method, tc.path, tc.body, out)
		if tc.code != "" {
			require.Equal(t, tc.code, out["error"], "%s %s", tc.method, tc.path)
			require.NotEmpty(t, out["message"])
		}
	}
	shut(t, c.h)
}

// A partial run is a 200, a failed one a 500, and either has the run as its body.
func TestRunsOverHTTP(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	cfg := quiet(data)
	cfg.Tables = []string{"a", "b"}
	shut(t, open(t, cfg))
	require.NoError(t, os.RemoveAll(filepath.Join(data, "tables", "b")))
	c := overHTTP(t, cfg)
	run := c.good(app.Operator, "POST", "/api/admin/backup", "")
	require.Equal(t, "partial", run["status"])
	require.Equal(t, []any{"b"}, run["tables_failed"])
	status, run := c.ask(app.Operator, "POST", "/api/admin/backup", `{"tables":["b"]}`)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "failed", run["status"])
	require.Equal(t, "backup_failed", run["error"])
	require.Equal(t, []any{"b"}, run["tables_failed"])
}

// Thirty triggers a minute and role; reads are never held back.
func TestTriggersAreLimited(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	refused := 0
	for range 60 {
		status, out := c.ask(app.Operator, "POST", "/api/admin/compact/nope", "")
		if status == http.StatusTooManyRequests {
			require.Equal(t, "too_many_requests", out["error"])
			refused++
		}
	}
	require.Greater(t, refused, 20)
	for range 60 {
		c.good(app.Operator, "GET", "/api/admin/health", "")
	}
	c.good(app.Admin, "POST", "/api/admin/backup", "") // another role has its own count
}

// Every subject as the hub has registered it, asked by nobody, with a wrong password and
// by each role: what comes of it is what the service declares.
func TestEveryNATSSubjectAsRegistered(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	h := open(t, cfg)
	_, err := nats.Connect(h.NATSURL())
	require.ErrorIs(t, err, nats.ErrAuthorization)
	var endpoints []micro.EndpointInfo
	for i, role := range bus.Roles() {
		cred, _ := h.Credentials().Role(role)
		_, err := nats.Connect(h.NATSURL(), nats.UserInfo(cred.User, cred.Token))
		require.ErrorIs(t, err, nats.ErrAuthorization)
		denied := make(chan error, 1)
		nc, err := nats.Connect(h.NATSURL(), nats.UserInfo(cred.User, cred.Password),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
		require.NoError(t, err)
		defer nc.Close()
		if i == 0 {
			msg, err := nc.Request("$SRV.INFO.brock", nil, 30*time.Second)
			require.NoError(t, err)
			var info micro.Info
			require.NoError(t, json.Unmarshal(msg.Data, &info))
			endpoints = info.Endpoints
			require.Greater(t, len(endpoints), 15)
		}
		for _, e := range endpoints {
			least := app.Role(e.Metadata["role"])
			require.Contains(t, bus.Roles(), least, e.Subject)
			if role.May(least) {
				_, err := nc.Request(e.Subject, []byte("?"), 30*time.Second)
				require.NoError(t, err, "%s by %s", e.Subject, role)
				continue
			}
			require.NoError(t, nc.PublishRequest(e.Subject, nc.NewInbox(), []byte("?")))
			require.ErrorIs(t, <-denied, nats.ErrPermissionViolation, "%s by %s", e.Subject, role)
		}
		require.Empty(t, denied)
	}
}

// Every route as it is mounted, asked by nobody, by somebody wrong and by each role: what
// comes of it is what the route declares.
func TestEveryHTTPRouteAsMounted(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	routes := c.h.HTTPRoutes()
	require.Greater(t, len(routes), 10)
	for _, r := range routes {
		if strings.HasPrefix(r.Path, "/api/") && !r.Login {
			require.NotEmpty(t, r.Role, r.Path)
		}
		if r.Stream {
			continue
		}
		path := strings.NewReplacer("{id}", "nope", "{table}", "nope", "{file}", "nope", "{$}", "").Replace(r.Path)
		for _, role := range append([]app.Role{"", "wrong"}, bus.Roles()...) {
			req, err := http.NewRequest(r.Method, c.h.HTTPURL()+path, strings.NewReader(""))
			require.NoError(t, err)
			cred, known := c.h.Credentials().Role(role)
			if role != "" {
				req.Header.Set("Authorization", "Bearer "+cred.Token+map[bool]string{false: "wrong"}[known])
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			_ = resp.Body.Close()
			switch {
			case r.Role == "" || role.May(r.Role):
				require.NotContains(t, []int{401, 403}, resp.StatusCode, "%s %s as %q", r.Method, r.Path, role)
			case known:
				require.Equal(t, http.StatusForbidden, resp.StatusCode, "%s %s as %q", r.Method, r.Path, role)
			default:
				require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "%s %s as %q", r.Method, r.Path, role)
			}
		}
	}
}
