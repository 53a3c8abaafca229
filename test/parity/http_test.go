package parity

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// asker asks a hub over HTTP.
type asker struct {
	t      *testing.T
	h      *harness.Harness
	client *http.Client
}

func overHTTP(t *testing.T, tables ...string) asker {
	h := harness.New(t, harness.Tables(tables...), harness.Configure(func(c *app.Config) { c.HTTPAddr = "127.0.0.1:0" }))
	return asker{t, h, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// ask returns the status and the answer; without a role no token is shown.
func (a asker) ask(role app.Role, method, path string) (int, map[string]any) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.h.Hub().HTTPURL()+path, nil)
	require.NoError(a.t, err)
	if role != "" {
		cred, _ := a.h.Hub().Credentials().Role(role)
		req.Header.Set("Authorization", "Bearer "+cred.Token)
	}
	resp, err := a.client.Do(req)
	require.NoError(a.t, err)
	defer func() { require.NoError(a.t, resp.Body.Close()) }()
	var out map[string]any
	require.NoError(a.t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

func TestHTTP(t *testing.T) {
	a := overHTTP(t, "a", "b")
	a.h.Put("a", "k", "v")
	t.Run("each request takes a bearer token", func(t *testing.T) {
		for path, method := range map[string]string{"/api/admin/backup": "POST", "/api/admin/health": "GET", "/api/admin/compact": "POST",
			"/api/admin/compact/a": "POST", "/api/admin/restore/a": "POST"} {
			status, out := a.ask("", method, path)
			require.Equal(t, 401, status, path)
			require.Equal(t, "unauthorized", out["error"])
		}
	})
	t.Run("a restore without a backup is a 500 with its reason", func(t *testing.T) {
		status, out := a.ask(app.Operator, "POST", "/api/admin/restore/a")
		require.Equal(t, 500, status)
		require.Equal(t, "failed", out["status"])
		require.NotEmpty(t, out["results"].([]any)[0].(map[string]any)["error"])
	})
	t.Run("a backup answers with its status, how many tables there are and succeeded, and a result each", func(t *testing.T) {
		status, out := a.ask(app.Operator, "POST", "/api/admin/backup")
		require.Equal(t, 200, status)
		require.Equal(t, "complete", out["status"])
		require.EqualValues(t, 2, out["tables_total"])
		require.EqualValues(t, 2, out["tables_success"])
		for _, r := range out["results"].([]any) {
			for _, field := range []string{"table", "path", "size"} {
				require.NotEmpty(t, r.(map[string]any)[field], field)
			}
		}
	})
	t.Run("health has the tables, the last backup with its results, and the compactions", func(t *testing.T) {
		status, out := a.ask(app.Viewer, "GET", "/api/admin/health")
		require.Equal(t, 200, status)
		for _, field := range []string{"health_status", "stale_backup", "high_fragmentation", "last_backup_at", "last_backup_results",
			"last_compaction_at", "compaction_history", "tables"} {
			require.Contains(t, out, field)
		}
		for _, table := range out["tables"].([]any) {
			for _, field := range []string{"table", "record_count", "file_size_bytes", "fragmentation_ratio", "status"} {
				require.Contains(t, table, field)
			}
		}
	})
	t.Run("all tables are compacted, or one", func(t *testing.T) {
		status, out := a.ask(app.Operator, "POST", "/api/admin/compact")
		require.Equal(t, 200, status)
		require.Len(t, out["results"], 2)
		status, out = a.ask(app.Operator, "POST", "/api/admin/compact/b")
		require.Equal(t, 200, status)
		require.Len(t, out["results"], 1)
	})
	t.Run("a restore answers with the table, the backup that was used, records and size", func(t *testing.T) {
		status, out := a.ask(app.Operator, "POST", "/api/admin/restore/a")
		require.Equal(t, 200, status)
		require.Equal(t, "restored", out["status"])
		require.Equal(t, "a", out["table"])
		require.Equal(t, names(t, a.h, "a")[0], out["snapshot"])
		require.EqualValues(t, 1, out["records"])
		require.Positive(t, out["file_size"])
	})
	t.Run("an unknown table is a 404, unknown_table", func(t *testing.T) {
		for _, path := range []string{"/api/admin/restore/nope", "/api/admin/compact/nope"} {
			status, out := a.ask(app.Operator, "POST", path)
			require.Equal(t, 404, status)
			require.Equal(t, "unknown_table", out["error"])
		}
	})
}
