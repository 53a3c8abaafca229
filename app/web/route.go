package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
)

// Route is one thing that can be asked.
type Route struct {
	Method  string   // GET, which answers HEAD too, POST or DELETE
	Path    string   // a pattern of [http.ServeMux] without method and host, such as /api/admin/runs/{id}
	Role    bus.Role // the least role that may ask it; "" for one that is open
	Handler http.Handler
	// Trigger says that it starts work. It is counted against the role's rate; it takes as
	// long as the work does, and the client's leaving cancels nothing.
	Trigger bool
	// Stream says that the answer goes on until the client leaves, may not come in any
	// more, or the listener closes. It needs a role.
	Stream bool
	Page   bool  // the answer is a page or a part of one, which may use the hub's own files
	Login  bool  // it lets somebody in, and changes nothing else; so it needs no role
	Body   int64 // bytes that a request's body may have; default 1 MiB
}

// Limits of a route that names none.
const (
	defaultBody   = 1 << 20
	answerTimeout = 30 * time.Second // until the handler has answered
	writeTimeout  = time.Minute      // until the client has read it
)

// changing says whether asking it may change something.
func (r *Route) changing() bool { return r.Method != http.MethodGet }

// resource is all that can be done with one path.
type resource struct {
	server  *Server
	methods map[string]*Route
}

// mount checks the routes and puts them behind the doors.
func (s *Server) mount(routes []Route) error {
	s.mux, s.routes = http.NewServeMux(), routes
	resources := map[string]*resource{}
	for i := range routes {
		r := &routes[i]
		known := r.Role == "" || slices.Contains(bus.Roles(), r.Role)
		switch {
		case !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodDelete}, r.Method), !strings.HasPrefix(r.Path, "/"), r.Handler == nil, !known:
			return fmt.Errorf("HTTP route %s %s: it needs GET, POST or DELETE, a path, a handler, and a role or none", r.Method, r.Path)
		case r.Role == "" && (r.changing() && !r.Login || r.Stream):
			return fmt.Errorf("HTTP route %s %s: what changes something or goes on needs a role", r.Method, r.Path)
		}
		if r.Body <= 0 {
			r.Body = defaultBody
		}
		res := resources[r.Path]
		if res == nil {
			res = &resource{s, map[string]*Route{}}
			resources[r.Path] = res
			s.mux.Handle(r.Path, res)
		}
		if res.methods[r.Method] != nil {
			return fmt.Errorf("HTTP route %s %s: it is there twice", r.Method, r.Path)
		}
		res.methods[r.Method] = r
	}
	if resources["/"] == nil {
		s.mux.Handle("/", http.HandlerFunc(nothing))
	}
	return nil
}

func (res *resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	route := res.methods[method]
	if route == nil {
		var allow []string
		for m := range res.methods {
			allow = append(allow, m)
		}
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		refuse(w, r, &bus.Error{Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Message: "use " + strings.Join(allow, " or ")})
		return
	}
	res.server.enter(route, w, r)
}

func nothing(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, &bus.Error{Code: "not_found", Status: http.StatusNotFound, Message: "there is nothing at this path"})
}

// probes are open: a supervisor asks them before it knows anything.
func probes(ready func() bool) []Route {
	return []Route{
		{Method: http.MethodGet, Path: "/healthz", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			say(w, http.StatusOK, "ok")
		})},
		{Method: http.MethodGet, Path: "/readyz", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if ready() {
				say(w, http.StatusOK, "ready")
			} else {
				say(w, http.StatusServiceUnavailable, "not ready")
			}
		})},
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
