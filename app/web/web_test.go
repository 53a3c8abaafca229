package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a listener with a route of every kind, and what came through its doors.
type world struct {
	*Server
	creds bus.Credentials
	mu    sync.Mutex
	asked []Asked
	gone  chan struct{} // the client of /wait has left
}

func echo(r *http.Request, body []byte) (int, any, error) {
	return http.StatusOK, map[string]string{"got": string(body), "id": r.PathValue("id")}, nil
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{creds: bus.NewCredentials(), gone: make(chan struct{})}
	keys := &Keys{}
	keys.Set(w.creds)
	cfg := Config{Addr: "127.0.0.1:0", Hosts: []string{"hub.example"}, Ready: func() bool { return true }, Keys: keys,
		Logger: slog.New(slog.DiscardHandler), Done: w.note, Routes: []Route{
			{Method: http.MethodGet, Path: "/open", Handler: Answer(echo)},
			{Method: http.MethodGet, Path: "/see/{id}", Role: bus.Viewer, Handler: Answer(echo)},
			{Method: http.MethodPost, Path: "/act", Role: bus.Operator, Trigger: true, Body: 64, Handler: Answer(echo)},
			{Method: http.MethodPost, Path: "/rule", Role: bus.Admin, Handler: Answer(echo)},
			{Method: http.MethodPost, Path: "/panic", Role: bus.Viewer, Handler: Answer(func(*http.Request, []byte) (int, any, error) {
				panic("boom")
			})},
			{Method: http.MethodPost, Path: "/late", Role: bus.Viewer, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				panic("boom")
			})},
			{Method: http.MethodGet, Path: "/wait", Role: bus.Viewer, Stream: true, Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(out).Flush()
				<-r.Context().Done()
				close(w.gone)
			})},
			{Method: http.MethodPost, Path: "/odd", Role: bus.Viewer, Handler: Answer(func(*http.Request, []byte) (int, any, error) {
				return http.StatusOK, func() {}, nil
			})},
		}}
	if change != nil {
		change(&cfg)
	}
	var err error
	w.Server, err = Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = w.Close(ctx)
	})
	return w
}

func (w *world) note(a Asked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, a)
}

// last is what the audit heard last.
func (w *world) last(t *testing.T) Asked {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.asked)
	return w.asked[len(w.asked)-1]
}

func (w *world) token(role bus.Role) string {
	c, _ := w.creds.Role(role)
	return c.Token
}

// ask sends a request; headers are pairs, Host among them.
func (w *world) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, w.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(b)
}

func bearerOf(token string) []string { return []string{"Authorization", "Bearer " + token} }

// refused checks an error's form.
func refused(t *testing.T, resp *http.Response, body string, status int, code string) {
	t.Helper()
	require.Equal(t, status, resp.StatusCode, body)
	var e struct{ Error, Message string }
	require.NoError(t, json.Unmarshal([]byte(body), &e), body)
	require.Equal(t, code, e.Error)
	require.NotEmpty(t, e.Message)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
}

// Every route as it is mounted, asked by nobody, by somebody wrong and by each role.
func TestEveryRouteTakesItsRole(t *testing.T) {
	w := newWorld(t, nil)
	require.Len(t, w.Routes(), 13)
	for _, route := range w.Routes() {
		if route.Stream || route.Path == "/api/session" || route.Path == "/panic" || route.Path == "/late" || route.Path == "/odd" {
			continue
		}
		path := strings.ReplaceAll(route.Path, "{id}", "x")
		for _, role := range append([]bus.Role{"", "wrong"}, bus.Roles()...) {
			var headers []string
			if role != "" {
				headers = bearerOf(w.token(role) + map[bool]string{true: "wrong"}[role == "wrong"])
			}
			resp, body := w.ask(t, route.Method, path, "", headers...)
			what := fmt.Sprintf("%s %s as %q", route.Method, route.Path, role)
			switch {
			case route.Role == "" || role.May(route.Role):
				require.Equal(t, http.StatusOK, resp.StatusCode, what)
			case slices.Contains(bus.Roles(), role):
				refused(t, resp, body, http.StatusForbidden, "forbidden")
				require.Equal(t, role, w.last(t).Role, what)
			default:
				refused(t, resp, body, http.StatusUnauthorized, "unauthorized")
				require.Contains(t, resp.Header.Get("WWW-Authenticate"), "Bearer")
				require.Empty(t, w.last(t).Role, what)
			}
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"), what)
			require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"), what)
			require.NotEmpty(t, resp.Header.Get("X-Request-Id"), what)
		}
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token(bus.Viewer)
	for _, tc := range []struct {
		name    string
		headers []string
		in      bool
	}{
		{"none", nil, false},
		{"empty", bearerOf(""), false},
		{"right", bearerOf(token), true},
		{"small letters", []string{"Authorization", "bearer " + token}, true},
		{"cut", bearerOf(token[:len(token)-1]), false},
		{"longer", bearerOf(token + "A"), false},
		{"password", bearerOf(w.creds.Viewer.Password), false},
		{"other scheme", []string{"Authorization", "Basic " + token}, false},
		{"two", append(bearerOf(token), bearerOf("x")...), false},
	} {
		resp, _ := w.ask(t, "GET", "/see/1", "", tc.headers...)
		require.Equal(t, tc.in, resp.StatusCode == http.StatusOK, tc.name)
	}
	resp, _ := w.ask(t, "GET", "/see/1?token="+token+"&access_token="+token, "")
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "a URL is no place for a token")

	w.cfg.Keys.Set(bus.NewCredentials())
	resp, _ = w.ask(t, "GET", "/see/1", "", bearerOf(token)...)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "an old token is nobody's")

	var none Keys
	_, ok := none.Role("")
	require.False(t, ok)
	none.Set(bus.Credentials{Viewer: bus.Credential{Token: "same"}, Admin: bus.Credential{Token: "same"}})
	_, ok = none.Role("")
	require.False(t, ok, "a role without a token has none, not the empty one")
	role, ok := none.Role("same")
	require.True(t, ok)
	require.Equal(t, bus.Viewer, role, "the least of those who share it")
}

func TestHosts(t *testing.T) {
	w := newWorld(t, nil)
	_, port, err := net.SplitHostPort(w.addr.String())
	require.NoError(t, err)
	for host, in := range map[string]bool{
		"127.0.0.1:" + port: true, "localhost:" + port: true, "LOCALHOST": true, "localhost.": true, "[::1]:" + port: true, "127.8.8.8": true,
		"hub.example": true, "Hub.Example:8420": true,
		"evil.example": false, "evil.example:" + port: false, "hub.example.evil": false, "10.1.2.3": false,
		"localhost.evil.example": false, "127.0.0.1.evil.example": false, "[::2]": false,
	} {
		for _, path := range []string{"/healthz", "/see/1", "/nothing"} {
			resp, body := w.ask(t, "GET", path, "", append(bearerOf(w.token(bus.Viewer)), "Host", host)...)
			if in {
				require.NotEqual(t, http.StatusForbidden, resp.StatusCode, host)
			} else {
				refused(t, resp, body, http.StatusForbidden, "host_not_allowed")
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	w := newWorld(t, nil)
	own := w.addr.String()
	for _, tc := range []struct {
		name    string
		headers []string
		in      bool
	}{
		{"no browser", nil, true},
		{"its own page", []string{"Origin", "http://" + own}, true},
		{"its own page, told so", []string{"Origin", "http://" + own, "Sec-Fetch-Site", "same-origin"}, true},
		{"another page", []string{"Origin", "https://evil.example"}, false},
		{"another port", []string{"Origin", "http://127.0.0.1:1"}, false},
		{"no page", []string{"Origin", "null"}, false},
		{"another site, told so", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"a page beside it", []string{"Sec-Fetch-Site", "same-site"}, false},
	} {
		resp, body := w.ask(t, "POST", "/act", "", append(bearerOf(w.token(bus.Operator)), tc.headers...)...)
		if tc.in {
			require.Equal(t, http.StatusOK, resp.StatusCode, tc.name)
		} else {
			refused(t, resp, body, http.StatusForbidden, "origin_not_allowed")
		}
		require.Empty(t, resp.Header.Get("Access-Control-Allow-Origin"), tc.name)
	}
	resp, _ := w.ask(t, "OPTIONS", "/act", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode, "no other site is let in")
}

func TestWhatIsNotThere(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/nothing", "/", "/see", "/see/", "/see/1/", "/see/1/2", "/see/..", "/see/%2e%2e/act", "//see/1", "/./see/1", "/see/a%2F..%2Fb"} {
		resp, body := w.ask(t, "GET", path, "", bearerOf(w.token(bus.Admin))...)
		refused(t, resp, body, http.StatusNotFound, "not_found")
		require.Equal(t, "unknown", w.last(t).What, "what a stranger writes stays out of the log")
	}
	resp, body := w.ask(t, "DELETE", "/see/1", "", bearerOf(w.token(bus.Admin))...)
	refused(t, resp, body, http.StatusMethodNotAllowed, "method_not_allowed")
	require.Equal(t, "GET", resp.Header.Get("Allow"))
	resp, body = w.ask(t, "HEAD", "/see/1", "", bearerOf(w.token(bus.Viewer))...)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, body)
}

func TestBodiesAndPanics(t *testing.T) {
	w := newWorld(t, nil)
	operator := bearerOf(w.token(bus.Operator))
	resp, body := w.ask(t, "POST", "/act", strings.Repeat("x", 64), operator...)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, body, "xxx")
	a := w.last(t)
	require.Equal(t, Asked{ID: resp.Header.Get("X-Request-Id"), Role: bus.Operator, Remote: a.Remote, What: "POST /act", Status: 200}, a)
	resp, body = w.ask(t, "POST", "/act", strings.Repeat("x", 65), operator...)
	refused(t, resp, body, http.StatusRequestEntityTooLarge, "too_large")
	resp, body = w.ask(t, "POST", "/panic", "", operator...)
	refused(t, resp, body, http.StatusInternalServerError, "internal")
	require.NotContains(t, body, "boom")
	require.Equal(t, "internal", w.last(t).Code)
	resp, body = w.ask(t, "POST", "/odd", "", operator...)
	refused(t, resp, body, http.StatusInternalServerError, "internal")
	req, err := http.NewRequest("POST", w.URL()+"/late", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token(bus.Viewer))
	resp, err = http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	require.Error(t, err, "half an answer does not look like a whole one")
}

func TestTriggersAreCounted(t *testing.T) {
	let := 2
	w := newWorld(t, func(c *Config) {
		c.Let = func(role bus.Role) (time.Duration, bool) {
			require.Equal(t, bus.Operator, role)
			let--
			return 1500 * time.Millisecond, let >= 0
		}
	})
	for range 2 {
		resp, _ := w.ask(t, "POST", "/act", "", bearerOf(w.token(bus.Operator))...)
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	resp, body := w.ask(t, "POST", "/act", "", bearerOf(w.token(bus.Operator))...)
	refused(t, resp, body, http.StatusTooManyRequests, "too_many_requests")
	require.Equal(t, "2", resp.Header.Get("Retry-After"))
	for range 100 {
		resp, _ := w.ask(t, "GET", "/see/1", "", bearerOf(w.token(bus.Operator))...)
		require.Equal(t, http.StatusOK, resp.StatusCode, "reading is never held back")
	}
	resp, _ = w.ask(t, "POST", "/act", "", bearerOf(w.token(bus.Viewer))...)
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "who may not ask does not use up others' turns")
}

func TestAStreamEndsWhenTheClientLeaves(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", w.URL()+"/wait", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token(bus.Viewer))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	cancel()
	_ = resp.Body.Close()
	<-w.gone
}

// A listener that closes does not wait for clients that follow.
func TestAStreamEndsWhenTheHubStops(t *testing.T) {
	w := newWorld(t, nil)
	req, err := http.NewRequest("GET", w.URL()+"/wait", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token(bus.Viewer))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, w.Close(ctx))
	<-w.gone
}

// A client that sends its request byte by byte, or never, is cut off, and others do
// not notice.
func TestSlowClientsAreCutOff(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.headers = 500 * time.Millisecond })
	var slow []net.Conn
	for range 50 {
		c, err := net.Dial("tcp", w.addr.String())
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		require.NoError(t, err)
		slow = append(slow, c)
	}
	resp, _ := w.ask(t, "GET", "/healthz", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	for _, c := range slow {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
		_, err := bufio.NewReader(c).ReadString('\x00') // until the end
		require.ErrorIs(t, err, io.EOF)
	}
	c, err := net.Dial("tcp", w.addr.String())
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	require.NoError(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "431")
}

// Connections are open files: those of a flood are closed, and there is room again when
// they are gone.
func TestConnectionsAreLimited(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.conns = 3 })
	var held []net.Conn
	refused := 0
	for range 10 {
		c, err := net.Dial("tcp", w.addr.String())
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if err == nil {
			_, err = bufio.NewReader(c).ReadString('\n')
		}
		if err != nil {
			refused++
			continue
		}
		held = append(held, c)
	}
	require.Len(t, held, 3)
	require.Equal(t, 7, refused)
	for _, c := range held {
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		resp, err := http.Get(w.URL() + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
}

func TestStartRefuses(t *testing.T) {
	good := Route{Method: "GET", Path: "/x", Handler: http.NotFoundHandler()}
	for name, routes := range map[string][]Route{
		"no handler":    {{Method: "GET", Path: "/x"}},
		"no method":     {{Path: "/x", Handler: good.Handler}},
		"no path":       {{Method: "GET", Handler: good.Handler}},
		"unknown role":  {{Method: "GET", Path: "/x", Role: "boss", Handler: good.Handler}},
		"open change":   {{Method: "POST", Path: "/x", Handler: good.Handler}},
		"twice":         {good, good},
		"a probe's own": {{Method: "GET", Path: "/healthz", Handler: good.Handler}},
	} {
		_, err := Start(Config{Addr: "127.0.0.1:0", Keys: &Keys{}, Routes: routes, Logger: slog.New(slog.DiscardHandler)})
		require.Error(t, err, name)
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80"} {
		_, err := Start(Config{Addr: addr, Keys: &Keys{}, Logger: slog.New(slog.DiscardHandler)})
		require.ErrorIs(t, err, bus.ErrNotLoopback, addr)
	}
	_, err := Start(Config{Addr: "127.0.0.1", Keys: &Keys{}})
	require.Error(t, err)
}

// Whatever is sent, the answer is a status of ours, errors have their form, and
// nothing but the open routes is answered without a token.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/healthz", "localhost", "", "", false)
	f.Add("POST", "/act", "127.0.0.1:8420", "https://evil.example", `{"tables":["a"]}`, true)
	f.Add("HEAD", "/see/%2e%2e", "[::1]", "null", "\x00", false)
	f.Add("OPTIONS", "*", "", "", "", true)
	creds := bus.NewCredentials()
	keys := &Keys{}
	keys.Set(creds)
	s := newServer(Config{Keys: keys, Logger: slog.New(slog.DiscardHandler)}, "127.0.0.1")
	require.NoError(f, s.mount(append(probes(func() bool { return true }),
		Route{Method: "GET", Path: "/see/{id}", Role: bus.Viewer, Handler: Answer(echo)},
		Route{Method: "POST", Path: "/act", Role: bus.Operator, Trigger: true, Handler: Answer(echo)})))
	f.Fuzz(func(t *testing.T, method, path, host, origin, body string, token bool) {
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		u, err := r.URL.Parse(path)
		if err != nil {
			return
		}
		r.Method, r.URL, r.Host = method, u, host
		r.Header.Set("Origin", origin)
		if token {
			r.Header.Set("Authorization", "Bearer "+creds.Admin.Token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Contains(t, []int{200, 400, 401, 403, 404, 405, 413}, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		if w.Code >= 400 {
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
		} else if !token {
			require.Contains(t, []string{"/healthz", "/readyz"}, u.Path)
		}
		require.NotContains(t, w.Body.String(), creds.Admin.Token)
	})
}
