// Package sse hands the hub's events to browsers as server-sent events: those that a
// client has missed first, then what happens.
//
// A frame of an event has the event's id, its type as the frame's event, and as data the
// JSON that is on NATS. Progress comes as "progress", without an id, for it is not kept.
// "lost" says that events are missing, and "live" that the replay is over.
package sse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/jonboulle/clockwork"
)

// Source is where events come from; a [bus.Bus] is one.
type Source interface {
	Follow(ctx context.Context, opts bus.SubscribeOptions) (*bus.Subscription[bus.Moment], error)
	SubscribeProgress(ctx context.Context, buffer int) (*bus.Subscription[bus.Progress], error)
}

// Config of a handler.
type Config struct {
	Source    Source
	Wall      clockwork.Clock // for "since" and heartbeats; default the real one
	Heartbeat time.Duration   // between comments that keep proxies from closing; default 15 s
	Patience  time.Duration   // within which a client must take a frame; default 10 s
	Clients   int             // that may follow at once; default 64
}

// How much waits for one client in this process. Of events no more are read until there
// is room, for the stream keeps them; of progress the oldest goes.
const (
	eventBuffer    = 64
	progressBuffer = 64
)

// Handler serves server-sent events.
type Handler struct {
	cfg   Config
	turns chan struct{}
}

// New returns a handler. It serves a client until the request's context ends, the client
// is slow, or the source is closed.
func New(cfg Config) *Handler {
	if cfg.Wall == nil {
		cfg.Wall = clockwork.NewRealClock()
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 10 * time.Second
	}
	if cfg.Clients <= 0 {
		cfg.Clients = 64
	}
	return &Handler{cfg: cfg, turns: make(chan struct{}, cfg.Clients)}
}

// Serve answers with events until the end. The error is for what went wrong before the
// first byte, a [*bus.Error]; what goes wrong later ends the answer, and the client comes back.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	opts, err := h.options(r)
	if err != nil {
		return err
	}
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	default:
		w.Header().Set("Retry-After", "5")
		return &bus.Error{Code: bus.CodeTooManyRequests, Status: http.StatusTooManyRequests,
			Message: fmt.Sprintf("%d clients follow the events already; close one, or try again later", cap(h.turns))}
	}
	progress, err := h.cfg.Source.SubscribeProgress(r.Context(), progressBuffer)
	if err != nil {
		return away(err)
	}
	defer progress.Close()
	moments, err := h.cfg.Source.Follow(r.Context(), opts)
	if err != nil {
		return away(err)
	}
	defer moments.Close()
	h.serve(r.Context(), &frames{w: w, control: http.NewResponseController(w), patience: h.cfg.Patience}, moments, progress)
	return nil
}

func away(err error) error {
	return &bus.Error{Code: "unavailable", Status: http.StatusServiceUnavailable,
		Message: fmt.Sprintf("the events cannot be followed just now: %v; try again later", err)}
}

// serve writes frames until something ends.
func (h *Handler) serve(ctx context.Context, out *frames, moments *bus.Subscription[bus.Moment], progress *bus.Subscription[bus.Progress]) {
	beat := h.cfg.Wall.NewTicker(h.cfg.Heartbeat)
	defer beat.Stop()
	err := out.begin()
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-beat.Chan():
			err = out.beat()
		case m, ok := <-moments.C():
			if !ok {
				return
			}
			err = out.moment(m)
		case p, ok := <-progress.C():
			if !ok {
				return
			}
			err = out.json("progress", p)
		}
	}
}

// maxID is how long an event's id may be that a client names.
const maxID = 64

// options says where the client wants to begin. The header counts first: a browser sends
// it when it comes back, to the same URL as before.
func (h *Handler) options(r *http.Request) (opts bus.SubscribeOptions, err error) {
	q := r.URL.Query()
	for key := range q {
		if key != "last_event_id" && key != "since" {
			return opts, invalid("unknown query parameter %.40q; there are last_event_id and since", key)
		}
	}
	opts.Buffer = eventBuffer
	opts.AfterID = r.Header.Get("Last-Event-ID")
	if opts.AfterID == "" {
		opts.AfterID = q.Get("last_event_id")
	}
	if opts.AfterID != "" {
		if len(opts.AfterID) > maxID {
			return opts, invalid("the last event id is too long to be one")
		}
		return opts, nil
	}
	since := q.Get("since")
	if since == "" {
		return opts, nil
	}
	if d, err := time.ParseDuration(since); err == nil && d > 0 {
		opts.Since = h.cfg.Wall.Now().Add(-d)
		return opts, nil
	}
	if opts.Since, err = time.Parse(time.RFC3339, since); err != nil || opts.Since.IsZero() {
		return opts, invalid("since %.40q is neither a duration such as 168h nor an RFC 3339 time", since)
	}
	return opts, nil
}

func invalid(format string, args ...any) error {
	return &bus.Error{Code: "invalid", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// frames writes frames. Each must be taken within the client's patience.
type frames struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

// begin tells the client when to come back after an end.
func (f *frames) begin() error {
	f.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	f.w.Header().Set("X-Accel-Buffering", "no") // or nginx holds frames back
	f.w.WriteHeader(http.StatusOK)
	return f.write("retry: 1000\n\n")
}

func (f *frames) beat() error { return f.write(": \n\n") }

func (f *frames) moment(m bus.Moment) error {
	switch {
	case m.Lost != nil:
		var lost lost
		if m.Lost.Missed > 0 {
			lost.Missed = &m.Lost.Missed
		}
		return f.json("lost", lost)
	case m.Live:
		return f.json("live", struct{}{})
	case m.Event != nil:
		return f.event(m.Event)
	}
	return nil
}

// lost is the data of a frame that says so; null where nobody knows how many.
type lost struct {
	Missed *uint64 `json:"missed"`
}

// event writes an event. One whose id or type would break the frame is not of this hub.
func (f *frames) event(e *bus.Event) error {
	const breaks = "\r\n\x00"
	data, err := e.MarshalJSON()
	if err != nil || strings.ContainsAny(e.ID, breaks) || strings.ContainsAny(string(e.Type), breaks) {
		return nil //nolint:nilerr // others follow
	}
	return f.write("id: " + e.ID + "\nevent: " + string(e.Type) + "\ndata: " + string(data) + "\n\n")
}

func (f *frames) json(typ string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write("event: " + typ + "\ndata: " + string(data) + "\n\n")
}

func (f *frames) write(text string) error {
	err := f.control.SetWriteDeadline(time.Now().Add(f.patience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := f.w.Write([]byte(text)); err != nil {
		return err
	}
	return f.control.Flush()
}
