package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	recentIDs = 512
	clockSlop = time.Hour // how far a hub's clock may be off the NATS server's
)

// SubscribeOptions says what events a subscription begins with. At most one of
// All, Since, Last and AfterID may be set; the zero value means events from now
// on.
type SubscribeOptions struct {
	All     bool      // everything that the stream keeps
	Since   time.Time // what was published since
	Last    int       // so many of the newest
	AfterID string    // what came after the event with this id; everything if the stream no longer has it
	Buffer  int       // messages held for a slow reader; default 256
}

func (o SubscribeOptions) replays() bool {
	return o.All || !o.Since.IsZero() || o.Last > 0 || o.AfterID != ""
}

func (o SubscribeOptions) validate() error {
	set := 0
	for _, is := range []bool{o.All, !o.Since.IsZero(), o.Last != 0, o.AfterID != ""} {
		if is {
			set++
		}
	}
	if set > 1 || o.Last < 0 {
		return configError("a subscription takes one of all, since, last and after, and last is not negative")
	}
	return nil
}

// subscribeEvents reads events: from the stream where there is one, else as
// they pass by.
func subscribeEvents(ctx context.Context, nc *Conn, opts SubscribeOptions, stream bool, log *slog.Logger) (*Subscription[Event], error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	r := &reader{nc: nc, js: js, log: log}
	if err = ErrNoStream; stream {
		_, err = r.seek(ctx, opts)
	}
	if errors.Is(err, ErrNoStream) && !opts.replays() {
		seen := newRecent(recentIDs)
		return Events.subscribe(ctx, nc, opts.Buffer, func(e Event) bool { return seen.add(e.ID) })
	}
	if err != nil {
		return nil, err
	}
	s := newSubscription[Event](opts.Buffer)
	s.start(ctx, func(ctx context.Context) error { return pumpEvents(ctx, r, s) })
	return s, nil
}

// pumpEvents moves events from the stream to s until the end. It waits for a
// slow reader: the stream keeps what comes meanwhile.
func pumpEvents(ctx context.Context, r *reader, s *Subscription[Event]) error {
	defer r.stop()
	seen := newRecent(recentIDs)
	for {
		msg, pos, err := r.read(ctx)
		if err != nil {
			return err
		}
		s.lost.Add(pos.missing)
		var e Event
		if json.Unmarshal(msg.Data(), &e) != nil || !seen.add(e.ID) {
			continue
		}
		if err := s.deliver(ctx, e); err != nil {
			return err
		}
	}
}

// place is where in the stream a subscription begins.
type place struct {
	last    uint64 // the newest message then
	empty   bool   // there is nothing to replay
	unknown bool   // the event to begin after is kept no longer, so that some may be missing
}

// seek sets the reader's place. "From now on" is a sequence number too, so that
// an outage right after subscribing loses nothing.
func (r *reader) seek(ctx context.Context, opts SubscribeOptions) (place, error) {
	state, err := r.state(ctx)
	if err != nil {
		return place{}, err
	}
	at := place{last: state.LastSeq, empty: state.Msgs == 0}
	switch {
	case opts.All:
		r.next = max(state.FirstSeq, 1)
	case opts.Since.After(state.LastTime): // the server would wrap a year like 3000 round to the past
		r.next = state.LastSeq + 1
	case !opts.Since.IsZero():
		r.since = sendable(opts.Since)
	case opts.Last > 0:
		r.next = max(state.FirstSeq, 1)
		if n := uint64(opts.Last); state.LastSeq > n {
			r.next = max(r.next, state.LastSeq-n+1)
		}
	case opts.AfterID != "":
		found, err := r.find(ctx, state, opts.AfterID)
		r.next = max(found+1, state.FirstSeq, 1)
		at.unknown = found == 0
		if err != nil {
			return at, err
		}
	default:
		r.next = state.LastSeq + 1
	}
	at.empty = at.empty || r.next > state.LastSeq
	return at, nil
}

// sendable is a time as a request to the server can say it: in UTC, and from 1970 on. JSON
// has no years before 0, nor the zones of 24 hours that Go parses. No event is older.
func sendable(t time.Time) time.Time {
	if first := time.Unix(0, 0); t.Before(first) {
		t = first
	}
	return t.UTC()
}

func (r *reader) state(ctx context.Context) (jetstream.StreamState, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := r.stream(ctx)
	for errors.Is(err, errDisconnected) && ctx.Err() == nil {
		awaitConnected(ctx, r.nc)
		stream, err = r.stream(ctx)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || noJetStream(err) || errors.Is(err, nats.ErrNoResponders) {
		return jetstream.StreamState{}, ErrNoStream
	}
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("bus: look at the event stream: %w", err)
	}
	r.made = stream.CachedInfo().Created
	return stream.CachedInfo().State, nil
}

// stream asks the server for the stream, and does not wait for an answer that an outage
// took away.
func (r *reader) stream(ctx context.Context) (jetstream.Stream, error) {
	connected, stop := whileConnected(ctx, r.nc)
	defer stop()
	if !r.nc.IsConnected() && !r.nc.IsClosed() {
		return nil, errDisconnected
	}
	stream, err := r.js.Stream(connected, StreamName)
	if err != nil && connected.Err() != nil && ctx.Err() == nil && !r.nc.IsClosed() {
		err = errDisconnected
	}
	return stream, err
}

// find returns the stream sequence of the event with this id, or 0. An event is
// stored after it happened, so the id's own time bounds the search, unless the hub's
// clock was set back: ids do not go back with it.
func (r *reader) find(ctx context.Context, state jetstream.StreamState, id string) (uint64, error) {
	if state.Msgs == 0 {
		return 0, nil
	}
	if at, ok := idTime(id); ok && !at.Add(-clockSlop).After(state.LastTime) {
		if seq, err := r.findSince(ctx, state, id, at.Add(-clockSlop)); seq > 0 || err != nil {
			return seq, err
		}
	}
	return r.findSince(ctx, state, id, time.Time{})
}

// findSince looks through what was stored since then, all where that is zero.
func (r *reader) findSince(ctx context.Context, state jetstream.StreamState, id string, since time.Time) (uint64, error) {
	scan := &reader{nc: r.nc, js: r.js, log: r.log, headersOnly: true, since: since}
	if since.IsZero() {
		scan.next = max(state.FirstSeq, 1)
	}
	defer scan.stop()
	for {
		msg, pos, err := scan.read(ctx)
		if err != nil {
			return 0, err
		}
		if msg.Headers().Get(nats.MsgIdHdr) == id {
			return pos.seq, nil
		}
		if pos.pending == 0 || pos.seq >= state.LastSeq {
			return 0, nil
		}
	}
}
