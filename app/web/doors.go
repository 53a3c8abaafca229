package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
)

// Asked is one request, for the audit.
type Asked struct {
	ID      string   // also in the answer's X-Request-Id
	Role    bus.Role // "" where nobody known asked
	Remote  string   // host:port
	What    string   // method and the route's pattern, not what the client wrote
	Tables  []string // that it names
	Status  int
	Code    string // of the error, "" where there is none
	Refused bool   // by the doors; no handler saw it
}

type askedKey struct{}

// AskedOf returns the request's record, for the handler to add to.
func AskedOf(ctx context.Context) *Asked {
	if a, ok := ctx.Value(askedKey{}).(*Asked); ok {
		return a
	}
	return &Asked{}
}

// ServeHTTP is the outer door: what holds for every request, whatever it asks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &Asked{ID: rand.Text(), Remote: r.RemoteAddr, What: "unknown"}
	rec := &recorder{ResponseWriter: w}
	defer s.leave(rec, r, a)
	harden(w.Header())
	w.Header().Set("X-Request-Id", a.ID)
	r = r.WithContext(context.WithValue(r.Context(), askedKey{}, a))
	switch {
	case !s.hosts.allow(r):
		refuse(rec, r, &bus.Error{Code: "host_not_allowed", Status: http.StatusForbidden,
			Message: "this Host is not a name of the hub; ask it by its address, or allow the name with --http-hosts"})
	case !clean(r.URL.Path): // the mux would redirect
		nothing(rec, r)
	default:
		s.mux.ServeHTTP(rec, r)
	}
}

// clean says whether a path is written as a route is.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p
}

// pagePolicy lets a page use the hub's own files and nothing else: no inline code, no
// other host, no frame around it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// harden sets the headers that no answer is without. The answers hold what only the
// asker may see, and are no page unless the route says so.
func harden(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// leave turns a panic into an answer, and tells the audit.
func (s *Server) leave(w *recorder, r *http.Request, a *Asked) {
	p := recover()
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the value that net/http compares with
		s.cfg.Logger.Error("HTTP handler panicked", "what", a.What, "id", a.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		a.Code = bus.CodeInternal
		if w.status == 0 {
			fail(w, r, &bus.Error{Code: bus.CodeInternal, Status: http.StatusInternalServerError, Message: "internal error; the hub's log has more, under " + a.ID})
			p = nil
		}
	}
	a.Status = w.status
	if s.cfg.Done != nil && (a.Refused || r.Method != http.MethodGet && r.Method != http.MethodHead) {
		s.cfg.Done(*a)
	}
	if p != nil {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
}

// enter is the inner door: who asks, whether the role may, and how much.
func (s *Server) enter(route *Route, w http.ResponseWriter, r *http.Request) {
	a := AskedOf(r.Context())
	a.What = route.Method + " " + route.Path
	who, e := s.admit(route, w, r, a)
	if e != nil {
		refuse(w, r, e)
		return
	}
	if route.Trigger && s.cfg.Let != nil {
		if wait, ok := s.cfg.Let(a.Role); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
			refuse(w, r, &bus.Error{Code: bus.CodeTooManyRequests, Status: http.StatusTooManyRequests,
				Message: "this role has started too much work within a minute; try again later"})
			return
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, route.Body)
	if route.Page {
		w.Header().Set("Content-Security-Policy", pagePolicy)
	}
	ctx := r.Context()
	switch {
	case route.Trigger:
		ctx = context.WithoutCancel(ctx)
	case route.Stream:
		patient(w)
		var end func()
		ctx, end = s.lasting(ctx, who)
		defer end()
	default:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	route.Handler.ServeHTTP(w, r.WithContext(ctx))
}

// admit finds out who asks, and says why not.
func (s *Server) admit(route *Route, w http.ResponseWriter, r *http.Request, a *Asked) (who asker, e *bus.Error) {
	if route.Role != "" {
		if who, e = s.identify(w, r); e != nil {
			return who, e
		}
		a.Role = who.key.role
		if !a.Role.May(route.Role) {
			return who, &bus.Error{Code: bus.CodeForbidden, Status: http.StatusForbidden,
				Message: fmt.Sprintf("the role %s may not ask this; it takes %s", a.Role, route.Role)}
		}
	}
	if s.origin.Check(r) != nil || who.session != "" && !own(r) {
		return who, &bus.Error{Code: "origin_not_allowed", Status: http.StatusForbidden, Message: "a page of another site may not ask this"}
	}
	return who, nil
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
