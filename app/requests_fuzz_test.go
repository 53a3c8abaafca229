package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
)

// fuzzHub is a hub with a record in one of its two tables.
func fuzzHub(f *testing.F, change func(*Config)) *Hub {
	f.Helper()
	cfg := Config{Data: f.TempDir(), Tables: []string{"a", "b"}, Schedule: "off", Unsynced: true, CompactEvery: -1, DrillEvery: -1, ScrubEvery: -1,
		MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	change(&cfg)
	h, err := Open(context.Background(), cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	t, err := h.Table("a")
	if err == nil {
		_, err = t.Put(context.Background(), []byte("k"), []byte("1"))
	}
	if err != nil {
		f.Fatal(err)
	}
	return h
}

// bodies are requests as clients send them, and as they should not.
var bodies = []string{"", " ", "null", "{}", "[]", "{", `{"tables":["a"]}`, `{"tables":["a","a"]}`, `{"tables":null}`, `{"tables":["a"]} x`, `{"tables":["a"]}]`, `{"Tables":["a"]}`, `{"tables":["../a"]}`,
	`{"run":"0123456789ab"}`, `{"run":"../../x"}`, `{"table":"a","key":"k"}`, `{"table":"a","key_base64":"aw==","at":"1m ago"}`, `{"table":"a","key":"k","at":"9223372036854775807d ago"}`,
	`{"table":"a","key":"k","value_base64":"MQ==","if_version":18446744073709551615}`, `{"table":"a","key":"k","value_base64":"!"}`, `{"table":"a","key":"","value_base64":""}`,
	`{"table":"a","keys_base64":["aw==",""]}`, `{"table":"a","limit":-1}`, `{"table":"a","limit":9223372036854775807,"reverse":true,"prefix_base64":"/w==","from_base64":"AA==","to_base64":"AA=="}`,
	`{"table":"a","cursor":"x"}`, `{"table":"a","at":"latest","snapshot":"latest"}`, `{"table":"a","format":"badger"}`, `{"table":"a","after":0,"skip":9223372036854775807,"wait_ms":9223372036854775807}`,
	`{"table":"a","from":"1970-01-01T00:00:00Z","until":"latest"}`, `{"table":"a","after":18446744073709551615}`, `{"table":"a","after":9007199254740992,"until":"0"}`, `{"all":true,"at":"latest"}`,
	`{"tables":["a"],"snapshot":"2026-11-22T21-04-05.123Z_0123456789ab"}`, `{"table":"a","key":"x","value":1}` + "\n" + `{"table":"b","key":"x","value":1}`, strings.Repeat(`{"a":`, 9000), strings.Repeat("[", 9000), "\xff\xfe"}

// FuzzRequest sends bodies to a hub's endpoints, as they come over NATS: each is
// answered with what is JSON, or with an error that is not the hub's own fault.
func FuzzRequest(f *testing.F) {
	h := fuzzHub(f, func(c *Config) { c.Offline = true })
	var asked []bus.Endpoint
	for _, e := range h.endpoints(actors.TriggerRequest) {
		switch e.Name {
		case "backup", "verify", "drill", "compact", "alert", "credentials.rotate": // of the same body as list, and slow
		case "restore":
			e.Handler = on(func(ctx context.Context, r RestoreRequest) (any, error) {
				r.DryRun, r.To = true, ""
				return outcome(h.Restore(ctx, r))
			})
			fallthrough
		default:
			asked = append(asked, e)
		}
	}
	for i := range asked {
		for _, body := range bodies {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		e := asked[int(which)%len(asked)]
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		v, err := e.Handler(ctx, body)
		if err == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Fatalf("%s %q: %v", e.Name, body, err)
			}
			if e.Name != "health" && e.Name != "records.import" && len(body) > 0 && !json.Valid(body) && strings.TrimSpace(string(body)) != "" {
				t.Fatalf("%s takes %q, which is no JSON", e.Name, body)
			}
			return
		}
		out := road.Error(err)
		if errors.Is(err, context.DeadlineExceeded) || out.Code == "timeout" {
			return
		}
		if out.Code == bus.CodeInternal || out.Status < 400 || out.Status >= 500 && out.Code != "unknown_outcome" {
			t.Fatalf("%s %q: %d %s: %v", e.Name, body, out.Status, out.Code, err)
		}
	})
}

// FuzzHTTP sends requests through a hub's doors to what is behind them: the answer is
// JSON or a page, and no fault of the hub's own.
func FuzzHTTP(f *testing.F) {
	h := fuzzHub(f, func(c *Config) { c.HTTPAddr = "127.0.0.1:0" })
	token := h.Credentials().Operator.Token
	for _, path := range []string{"/", "/assets/app.js", "/assets/..%2f..%2fx", "/healthz", "/readyz", "/metrics", "/events?since=1h", "/events?last_event_id=x", "/api/openapi.json", "/api/session",
		"/api/admin/health", "/api/admin/snapshots?table=a&table=../x", "/api/admin/snapshots?x=1", "/api/admin/runs/..%2f..%2fx", "/api/admin/runs/0123456789ab", "/api/admin/restore/a", "/api/admin/restore/%00",
		"/api/admin/compact/nobody", "/api//admin/health", "/api/admin/../admin/health", "//", "/%2e%2e/", "*", "/api/admin/health/"} {
		f.Add("GET", path, "", "127.0.0.1")
		f.Add("POST", path, `{"snapshot":"latest"}`, "localhost")
		f.Add("DELETE", path, "[", "evil.example")
	}
	f.Fuzz(func(t *testing.T, method, path, body, host string) {
		if strings.Contains(strings.ToLower(body), `to`) || strings.Contains(body, `\u`) {
			return // a restore to somewhere on this machine
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/", strings.NewReader(body))
		u, err := r.URL.Parse(path)
		if err != nil {
			return
		}
		r.Method, r.URL, r.Host = method, u, host
		r.Header.Set("Authorization", "Bearer "+token)
		if u.Path == "/events" {
			cancel() // it goes on otherwise
		}
		w := httptest.NewRecorder()
		h.web.ServeHTTP(w, r)
		if w.Code >= 400 {
			var e struct{ Error, Message, Status string }
			if strings.HasPrefix(u.Path, "/assets/") && w.Code == http.StatusNotFound {
				return // a browser's, in words
			}
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == bus.CodeInternal || e.Error == "" && e.Status == "" {
				t.Fatalf("%s %s %q: %d %q", method, path, body, w.Code, w.Body)
			}
		}
		if strings.Contains(w.Body.String(), token) || w.Code == http.StatusMovedPermanently {
			t.Fatalf("%s %s: %d %q", method, path, w.Code, w.Body)
		}
	})
}
