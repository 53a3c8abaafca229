package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

// login returns the cookie that a role's token gets.
func (w *world) login(t *testing.T, role bus.Role) *http.Cookie {
	t.Helper()
	resp, body := w.ask(t, "POST", "/api/session", `{"token":"`+w.token(role)+`"}`)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, body)
	require.Len(t, resp.Cookies(), 1)
	return resp.Cookies()[0]
}

func with(c *http.Cookie, headers ...string) []string {
	return append([]string{"Cookie", c.Name + "=" + c.Value}, headers...)
}

func TestSessions(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.About = About{Hub: "hub", Release: "1.2.3", Started: time.Unix(1_800_000_000, 0).UTC()}
	})
	c := w.login(t, bus.Viewer)
	require.Equal(t, bus.Viewer, w.last(t).Role)
	require.Equal(t, SessionCookie, c.Name)
	require.True(t, c.HttpOnly)
	require.False(t, c.Secure, "it would not come back without TLS")
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.Len(t, c.Value, 43, "256 bits")
	require.NotContains(t, c.Value, w.token(bus.Viewer))

	resp, body := w.ask(t, "GET", "/api/session", "", with(c)...)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.JSONEq(t, `{"role":"viewer","hub":"hub","release":"1.2.3","started_at":"2027-01-15T08:00:00Z"}`, body)
	resp, _ = w.ask(t, "GET", "/see/1", "", with(c)...)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp, body = w.ask(t, "POST", "/act", "", with(c, "Origin", w.URL())...)
	refused(t, resp, body, http.StatusForbidden, "forbidden")

	resp, body = w.ask(t, "GET", "/api/session", "", with(&http.Cookie{Name: SessionCookie, Value: c.Value + "x"})...)
	refused(t, resp, body, http.StatusUnauthorized, "unauthorized")
	resp, body = w.ask(t, "GET", "/see/1", "", "Cookie", SessionCookie+"="+c.Value+"; "+SessionCookie+"="+c.Value)
	refused(t, resp, body, http.StatusUnauthorized, "unauthorized")
	resp, body = w.ask(t, "GET", "/see/1", "", with(c, "Authorization", "Bearer wrong")...)
	refused(t, resp, body, http.StatusUnauthorized, "unauthorized")

	// Another login ends the one before it; a logout ends it for everybody.
	resp, _ = w.ask(t, "POST", "/api/session", `{"token":"`+w.token(bus.Admin)+`"}`, with(c)...)
	admin := resp.Cookies()[0]
	resp, _ = w.ask(t, "GET", "/api/session", "", with(c)...)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	resp, _ = w.ask(t, "DELETE", "/api/session", "", with(admin, "Origin", w.URL())...)
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Negative(t, resp.Cookies()[0].MaxAge)
	resp, _ = w.ask(t, "GET", "/api/session", "", with(admin)...)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
}

func TestWrongLogins(t *testing.T) {
	clock := clockwork.NewFakeClock()
	w := newWorld(t, func(c *Config) { c.Wall = clock })
	for _, body := range []string{"", "{", "null x", `{"tokens":"x"}`, `{"token":1}`, `[]`, `{"token":"x"}{}`} {
		resp, said := w.ask(t, "POST", "/api/session", body)
		refused(t, resp, said, http.StatusBadRequest, "invalid")
	}
	resp, said := w.ask(t, "POST", "/api/session", `{"token":"`+strings.Repeat("x", 8<<10)+`"}`)
	refused(t, resp, said, http.StatusRequestEntityTooLarge, "too_large")
	resp, said = w.ask(t, "POST", "/api/session", `{"token":"`+w.token(bus.Admin)+`"}`, "Origin", "https://evil.example")
	refused(t, resp, said, http.StatusForbidden, "origin_not_allowed")

	for range wrongBurst {
		resp, said := w.ask(t, "POST", "/api/session", `{"token":"`+w.token(bus.Admin)+`x"}`)
		refused(t, resp, said, http.StatusUnauthorized, "unauthorized")
		require.Empty(t, resp.Cookies())
		require.True(t, w.last(t).Refused)
	}
	resp, said = w.ask(t, "POST", "/api/session", `{"token":""}`)
	refused(t, resp, said, http.StatusTooManyRequests, "too_many_requests")
	require.Equal(t, "3", resp.Header.Get("Retry-After"))
	w.login(t, bus.Viewer) // the owner is not locked out
	clock.Advance(wrongEvery)
	resp, said = w.ask(t, "POST", "/api/session", `{"token":""}`)
	refused(t, resp, said, http.StatusUnauthorized, "unauthorized")
}

// What a browser sends along by itself counts only for the hub's own page.
func TestCookiesNeedTheOwnOrigin(t *testing.T) {
	w := newWorld(t, nil)
	c := w.login(t, bus.Operator)
	other := "http://127.0.0.1:1"
	for _, tc := range []struct {
		name, method string
		headers      []string
		in           bool
	}{
		{"no origin", "POST", nil, false},
		{"own", "POST", []string{"Origin", w.URL()}, true},
		{"own, told so", "POST", []string{"Origin", w.URL(), "Sec-Fetch-Site", "same-origin"}, true},
		{"another port", "POST", []string{"Origin", other, "Sec-Fetch-Site", "same-site"}, false},
		{"another port, old browser", "POST", []string{"Origin", other}, false},
		{"null", "POST", []string{"Origin", "null"}, false},
		{"empty", "POST", []string{"Origin", ""}, false},
		{"two", "POST", []string{"Origin", w.URL(), "Origin", other}, false},
		{"a lie on one side", "POST", []string{"Origin", other, "Sec-Fetch-Site", "same-origin"}, false},
		{"and on the other", "POST", []string{"Origin", w.URL(), "Sec-Fetch-Site", "cross-site"}, false},
		{"typed in", "POST", []string{"Origin", w.URL(), "Sec-Fetch-Site", "none"}, false},
		{"reading", "GET", nil, true},
		{"reading, typed in", "GET", []string{"Sec-Fetch-Site", "none"}, true},
		{"reading, own", "GET", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"reading from another port", "GET", []string{"Sec-Fetch-Site", "same-site"}, false},
		{"reading from another origin", "GET", []string{"Origin", other}, false},
	} {
		path := map[string]string{"GET": "/see/1", "POST": "/act"}[tc.method]
		resp, body := w.ask(t, tc.method, path, "", with(c, tc.headers...)...)
		if tc.in {
			require.Equal(t, http.StatusOK, resp.StatusCode, tc.name)
		} else {
			refused(t, resp, body, http.StatusForbidden, "origin_not_allowed")
		}
	}
	resp, _ := w.ask(t, "DELETE", "/api/session", "", with(c)...)
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "nor may another page log somebody out")
}

func TestSessionsEnd(t *testing.T) {
	clock := clockwork.NewFakeClock()
	w := newWorld(t, func(c *Config) { c.Wall = clock })
	status := func(c *http.Cookie) int {
		resp, _ := w.ask(t, "GET", "/api/session", "", with(c)...)
		return resp.StatusCode
	}
	viewer, admin := w.login(t, bus.Viewer), w.login(t, bus.Admin)
	clock.Advance(sessionIdle - time.Second)
	require.Equal(t, http.StatusOK, status(viewer))
	clock.Advance(time.Second)
	require.Equal(t, http.StatusOK, status(viewer), "it was in use")
	require.Equal(t, http.StatusUnauthorized, status(admin), "it was not")

	admin = w.login(t, bus.Admin)
	w.creds = w.creds.Rotate(bus.Viewer)
	w.cfg.Keys.Set(w.creds)
	require.Equal(t, http.StatusUnauthorized, status(viewer), "its token is nobody's any more")
	require.Equal(t, http.StatusOK, status(admin), "the other roles' are as before")

	clock.Advance(time.Millisecond)
	first := w.login(t, bus.Viewer)
	for range sessionLimit - 1 {
		clock.Advance(time.Millisecond)
		w.login(t, bus.Viewer)
	}
	require.Len(t, w.sessions.open, sessionLimit)
	require.Equal(t, http.StatusUnauthorized, status(admin), "the one unused for longest makes room")
	require.Equal(t, http.StatusOK, status(first))
}

// A stream ends with what let it in, and keeps a session in use until then.
func TestStreamsEndWithTheirCredential(t *testing.T) {
	clock := clockwork.NewFakeClock()
	for name, end := range map[string]func(w *world, c *http.Cookie){
		"token": func(w *world, _ *http.Cookie) { w.cfg.Keys.Set(w.creds.Rotate(bus.Viewer)) },
		"session": func(w *world, c *http.Cookie) {
			clock.Advance(2 * sessionIdle)
			resp, _ := w.ask(t, "DELETE", "/api/session", "", with(c, "Origin", w.URL())...)
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
		},
		"rotation": func(w *world, _ *http.Cookie) {
			w.cfg.Keys.Set(w.creds.Rotate(bus.Operator)) // not its own
			w.cfg.Keys.Set(w.creds.Rotate(bus.Viewer))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Wall = clock })
			c := w.login(t, bus.Viewer)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", w.URL()+"/wait", nil)
			require.NoError(t, err)
			if name == "token" {
				req.Header.Set("Authorization", "Bearer "+w.token(bus.Viewer))
			} else {
				req.AddCookie(c)
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode)
			end(w, c)
			<-w.gone
		})
	}
}

// Neither cookies nor tokens get into the log or the audit.
func TestSessionsLeaveNoTrace(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c := w.login(t, bus.Operator)
	for _, ask := range [][2]string{{"GET", "/see/1"}, {"POST", "/act"}, {"POST", "/panic"}, {"GET", "/nothing"}, {"DELETE", "/api/session"}} {
		_, body := w.ask(t, ask[0], ask[1], "", with(c, "Origin", w.URL())...)
		require.NotContains(t, body, c.Value)
	}
	asked, err := json.Marshal(w.asked)
	require.NoError(t, err)
	for _, secret := range []string{c.Value, w.token(bus.Operator)} {
		require.NotContains(t, log.String(), secret)
		require.NotContains(t, string(asked), secret)
	}
	require.Contains(t, log.String(), "panicked")
}

func TestPagesMayUseTheHubsOwnFiles(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Routes = append(c.Routes, Route{Method: http.MethodGet, Path: "/{$}", Page: true, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
	})
	resp, _ := w.ask(t, "GET", "/", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, pagePolicy, resp.Header.Get("Content-Security-Policy"))
	require.NotContains(t, pagePolicy, "unsafe")
	resp, _ = w.ask(t, "GET", "/open", "")
	require.Equal(t, "default-src 'none'; frame-ancestors 'none'", resp.Header.Get("Content-Security-Policy"))
}
