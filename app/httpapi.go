package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/app/web"
	dashboard "github.com/brockdb/brock/app/web/page"
	"github.com/brockdb/brock/app/web/sse"
	"github.com/brockdb/brock/bus"
)

// apiRoute is an endpoint at a path. Its role is the endpoint's, as over NATS.
type apiRoute struct {
	method, path, endpoint string
	body                   func(r *http.Request, body []byte) ([]byte, error) // nil: the body as it is
}

var apiRoutes = []apiRoute{
	{http.MethodPost, "/api/admin/backup", "backup", nil},
	{http.MethodGet, "/api/admin/health", "health", nil},
	{http.MethodGet, "/api/admin/snapshots", "list", queryTables},
	{http.MethodGet, "/api/admin/runs/{id}", "run", pathRun},
	{http.MethodPost, "/api/admin/verify", "verify", nil},
	{http.MethodPost, "/api/admin/drill", "drill", nil},
	{http.MethodPost, "/api/admin/restore", "restore", nil},
	{http.MethodPost, "/api/admin/restore/{table}", "restore", pathTable},
	{http.MethodPost, "/api/admin/compact", "compact", nil},
	{http.MethodPost, "/api/admin/compact/{table}", "compact", pathTable},
}

// pages are handlers beside the API: one line mounts one, with the least role that may
// see it.
func (h *Hub) pages() []web.Route {
	events := sse.New(sse.Config{Source: h.bus, Wall: h.cfg.Wall})
	files := dashboard.Handler()
	return []web.Route{
		{Method: http.MethodGet, Path: "/{$}", Page: true, Handler: files},
		{Method: http.MethodGet, Path: "/assets/{file}", Page: true, Handler: files},
		{Method: http.MethodGet, Path: "/metrics", Role: Viewer, Handler: h.Metrics()},
		{Method: http.MethodGet, Path: "/events", Role: Viewer, Stream: true, Handler: web.Stream(events.Serve)},
		{Method: http.MethodGet, Path: "/api/openapi.json", Role: Viewer, Handler: http.HandlerFunc(serveOpenAPI)},
	}
}

// routes are all that HTTP answers besides the probes.
func (h *Hub) routes() []web.Route {
	asked := map[string]bus.Handler{}
	for _, e := range h.endpoints(actors.TriggerHTTP) {
		asked[e.Name] = limited(e)
	}
	routes := h.pages()
	for _, a := range apiRoutes {
		routes = append(routes, web.Route{Method: a.method, Path: a.path, Role: bus.LeastRole(a.endpoint),
			Trigger: a.method == http.MethodPost, Handler: web.Answer(h.apiHandler(a, asked[a.endpoint]))})
	}
	return routes
}

// apiHandler asks the endpoint as a NATS client does.
func (h *Hub) apiHandler(a apiRoute, ask bus.Handler) func(r *http.Request, body []byte) (int, any, error) {
	return func(r *http.Request, body []byte) (int, any, error) {
		if a.body != nil {
			var err error
			if body, err = a.body(r, body); err != nil {
				return 0, nil, road.Error(err)
			}
		}
		web.AskedOf(r.Context()).Tables = namedTables(body)
		ctx, done, err := h.begin(r.Context())
		if err != nil {
			return 0, nil, road.Error(err)
		}
		defer done()
		v, err := ask(ctx, body)
		if errors.Is(err, context.Canceled) && h.life.Err() != nil {
			err = fmt.Errorf("%w: the hub stopped before this was done; ask again when it is back", ErrClosed)
		}
		if err != nil {
			return 0, nil, road.Error(err)
		}
		return httpStatus(v), v, nil
	}
}

// httpStatus is 500 for a result of which nothing succeeded, so that clients which look
// at nothing else notice.
func httpStatus(v any) int {
	var status Status
	switch v := v.(type) {
	case Run: // of list and run: that it failed is the answer
	case Report:
		status = v.Status
	case DrillReport:
		status = v.Status
	case Restored:
		status = v.Status
	case Compaction:
		status = v.Status
	case AlertReport:
		status = v.Status
	}
	if status == StatusFailed {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// limited refuses more callers at once than the endpoint's limit.
func limited(e bus.Endpoint) bus.Handler {
	limit := e.Limit
	if limit <= 0 {
		limit = bus.DefaultEndpointLimit
	}
	turns := make(chan struct{}, limit)
	return func(ctx context.Context, body []byte) (any, error) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			return e.Handler(ctx, body)
		default:
			return nil, &bus.Error{Code: bus.CodeTooManyRequests, Status: http.StatusTooManyRequests, Message: "too many requests wait for " + e.Name + "; try again later"}
		}
	}
}

// queryTables makes list's body of ?table=a&table=b.
func queryTables(r *http.Request, _ []byte) ([]byte, error) {
	for key := range r.URL.Query() {
		if key != "table" {
			return nil, fmt.Errorf("%w: unknown query parameter %.40q; name tables as ?table=a&table=b", ErrInvalid, key)
		}
	}
	return json.Marshal(tablesRequest{r.URL.Query()["table"]})
}

// pathRun makes run's body.
func pathRun(r *http.Request, _ []byte) ([]byte, error) {
	return json.Marshal(runRequest{r.PathValue("id")})
}

// pathTable puts the path's table into a body that names none.
func pathTable(r *http.Request, body []byte) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, fmt.Errorf("%w request: %w", ErrInvalid, err)
		}
	}
	for key := range fields {
		if strings.EqualFold(key, "tables") || strings.EqualFold(key, "all") {
			return nil, fmt.Errorf("%w: the table stands in the path; leave out %s", ErrInvalid, key)
		}
	}
	tables, err := json.Marshal([]string{r.PathValue("table")})
	if err != nil {
		return nil, err
	}
	if fields == nil { // the body was null
		fields = map[string]json.RawMessage{}
	}
	fields["tables"] = tables
	return json.Marshal(fields)
}
