package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/app/web"
	"github.com/brockdb/brock/bus"
	"golang.org/x/time/rate"
)

// Who asks for work is let in so many times at once, and as many in a minute.
const triggersPerMinute = 30

// reading are the endpoints that change nothing, besides the viewer's. What an operator
// may ask starts work; of what is not known here the worst is taken.
var reading = []string{"records.get", "records.count", "records.scan", "records.tail"}

// Roads, as the audit names them.
const (
	roadHTTP = "http"
	roadNATS = "nats"
)

// doors are what requests from outside pass, on every road: who may come in, how often,
// and what is written down of it.
type doors struct {
	keys  web.Keys
	audit *audit
	now   func() time.Time
	mu    sync.Mutex
	rates map[string]*rate.Limiter // by road and who asks there
}

func newDoors(cfg Config, creds bus.Credentials) *doors {
	d := &doors{audit: newAudit(cfg.Name, cfg.Logger.With("hub", cfg.Name), cfg.Wall), now: cfg.Wall.Now, rates: map[string]*rate.Limiter{}}
	d.keys.Set(creds)
	return d
}

// let counts one trigger of who. Where there have been too many it says how long to
// wait, and this one does not count.
func (d *doors) let(who string) (wait time.Duration, ok bool) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.rates[who]
	if l == nil {
		l = rate.NewLimiter(rate.Every(time.Minute/triggersPerMinute), triggersPerMinute)
		d.rates[who] = l
	}
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// startWeb opens the HTTP listener.
func (h *Hub) startWeb() (err error) {
	h.web, err = web.Start(web.Config{Addr: h.cfg.HTTPAddr, TLS: h.tls(), Hosts: h.cfg.HTTPHosts, Ready: h.isReady, Keys: &h.doors.keys,
		Let:    func(role bus.Role) (time.Duration, bool) { return h.doors.let(roadHTTP + " " + string(role)) },
		Done:   h.doors.done,
		Routes: h.routes(), Logger: h.log, Wall: h.cfg.Wall,
		About: web.About{Hub: h.cfg.Name, Release: Release, Started: h.started.UTC()}})
	return err
}

// done writes down a request over HTTP.
func (d *doors) done(a web.Asked) {
	outcome := a.Code
	if outcome == "" {
		outcome = auditOK
		if a.Status >= http.StatusInternalServerError {
			outcome = string(StatusFailed)
		}
	}
	d.audit.note(bus.Audit{ID: a.ID, Road: roadHTTP, Role: string(a.Role), Remote: a.Remote, What: a.What, Tables: a.Tables, Outcome: outcome},
		a.Refused, nil)
}

// refused writes down what NATS did not let through.
func (d *doors) refused(r bus.Refusal) {
	d.audit.note(bus.Audit{Road: roadNATS, Role: string(r.Role), Remote: r.Remote, What: r.What, Outcome: r.Code}, true, nil)
}

// serveRequests answers over NATS.
func (h *Hub) serveRequests() error {
	endpoints := h.endpoints(actors.TriggerRequest)
	for i, e := range endpoints {
		endpoints[i].Handler = h.guarded(e)
	}
	return h.bus.Serve(bus.ServiceConfig{Version: Release, Description: "durable tables with proven backups", Endpoints: endpoints, Refused: h.doors.refused})
}

// guarded counts what starts work and writes down what changes something. NATS has let
// the asker's role through and does not tell which it is, so that all who may ask an
// endpoint share its count; the role that is written down is the least that may ask,
// unless the asker can be told.
func (h *Hub) guarded(e bus.Endpoint) bus.Handler {
	least := bus.LeastRole(e.Name)
	trigger := least == bus.Operator
	if least == bus.Viewer || slices.Contains(reading, e.Name) {
		return e.Handler
	}
	note := func(ctx context.Context, body []byte, refused bool, outcome string) {
		h.doors.audit.note(bus.Audit{Road: roadNATS, Role: string(least), What: e.Name, Tables: namedTables(body), Outcome: outcome},
			refused, func() (bus.Role, string) { return h.bus.Asker(ctx) })
	}
	return func(ctx context.Context, body []byte) (any, error) {
		if trigger {
			if wait, ok := h.doors.let(roadNATS + " " + e.Name); !ok {
				note(ctx, body, true, bus.CodeTooManyRequests)
				return nil, &bus.Error{Code: bus.CodeTooManyRequests, Status: http.StatusTooManyRequests,
					Message: fmt.Sprintf("%s was asked for too often within a minute; try again in %s", e.Name, wait.Round(time.Second))}
			}
		}
		v, err := e.Handler(ctx, body)
		outcome := auditOK
		switch {
		case err != nil:
			outcome = road.Error(err).Code
		case httpStatus(v) >= http.StatusInternalServerError:
			outcome = string(StatusFailed)
		}
		note(ctx, body, false, outcome)
		return v, err
	}
}
