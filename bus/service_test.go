package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, b *Bus, endpoints ...Endpoint) {
	t.Helper()
	require.NoError(t, b.Serve(ServiceConfig{Version: "1.2.3", Endpoints: endpoints}))
}

func answer(v any) Handler {
	return func(context.Context, []byte) (any, error) { return v, nil }
}

func fail(err error) Handler {
	return func(context.Context, []byte) (any, error) { return nil, err }
}

func note(asked chan<- string) Handler {
	return func(_ context.Context, body []byte) (any, error) {
		asked <- string(body)
		return nil, nil
	}
}

func TestRequestAndReply(t *testing.T) {
	w := newWorld(t)
	serve(t, w.bus(),
		Endpoint{Name: "records.get", Handler: func(_ context.Context, body []byte) (any, error) {
			return map[string]string{"got": string(body), "html": "<&>"}, nil
		}},
		Endpoint{Name: "health", Handler: answer([]byte("raw bytes"))},
		Endpoint{Name: "list", Handler: answer(nil)})
	c := w.client(Admin)
	raw, err := c.RequestRaw(w.ctx(), testHub, "records.get", []byte("x"))
	require.NoError(t, err)
	require.Equal(t, `{"got":"x","html":"<&>"}`, string(raw))
	raw, err = c.RequestRaw(w.ctx(), testHub, "health", nil)
	require.NoError(t, err)
	require.Equal(t, "raw bytes", string(raw))
	var out map[string]string
	require.NoError(t, c.Request(w.ctx(), testHub, "records.get", map[string]int{"a": 1}, &out))
	require.Equal(t, `{"a":1}`, out["got"])
	require.NoError(t, c.Request(w.ctx(), testHub, "list", nil, &out))
	big := bytes.Repeat([]byte("x"), 9<<20) // more than stock NATS takes
	require.NoError(t, c.Request(w.ctx(), testHub, "records.get", big, &out))
	require.Len(t, out["got"], len(big))
}

func TestErrorsTravel(t *testing.T) {
	w := newWorld(t)
	run := map[string]any{"run": "r1", "status": "failed", "error": "shadowed"}
	serve(t, w.bus(),
		Endpoint{Name: "list", Handler: fail(fmt.Errorf("wrapped: %w", &Error{Code: "unknown_table", Status: 404, Message: "no such\ntable: <x>", Table: "x"}))},
		Endpoint{Name: "run", Handler: fail(&Error{Code: "backup_failed", Status: 500, Message: "nothing worked", Body: run})},
		Endpoint{Name: "health", Handler: fail(errors.New("disk on fire"))},
		Endpoint{Name: "backup", Handler: func(context.Context, []byte) (any, error) { panic("boom") }},
		Endpoint{Name: "verify", Handler: answer(func() {})},
		Endpoint{Name: "drill", Handler: answer(make([]byte, maxPayload+1))})
	nc := w.raw(Operator)
	ask := func(name string) *nats.Msg {
		msg, err := nc.RequestWithContext(w.ctx(), "brock.alpha."+name, nil)
		require.NoError(t, err, name)
		return msg
	}
	msg := ask("list")
	require.Equal(t, "no such table: <x>", msg.Header.Get("Nats-Service-Error"))
	require.Equal(t, "404", msg.Header.Get("Nats-Service-Error-Code"))
	require.Equal(t, `{"error":"unknown_table","message":"no such\ntable: <x>","table":"x"}`, string(msg.Data))
	require.Equal(t, `{"error":"backup_failed","message":"nothing worked","run":"r1","status":"failed"}`, string(ask("run").Data))
	require.JSONEq(t, `{"error":"internal","message":"disk on fire"}`, string(ask("health").Data))
	require.Equal(t, "500", ask("backup").Header.Get("Nats-Service-Error-Code"))
	require.NotContains(t, string(ask("backup").Data), "boom")
	require.Contains(t, w.logs.String(), "boom")
	require.Contains(t, string(ask("verify").Data), CodeInternal)
	require.Contains(t, string(ask("drill").Data), CodeReplyTooLarge)

	c := w.client(Operator)
	err := c.Request(w.ctx(), testHub, "list", nil, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "x", e.Table)
	require.Equal(t, 404, e.Status)
	require.ErrorIs(t, err, &Error{Code: "unknown_table"})
	body, err := c.RequestRaw(w.ctx(), testHub, "run", nil)
	require.ErrorIs(t, err, &Error{Code: "backup_failed"})
	require.Contains(t, string(body), `"run":"r1"`)
}

// Ten thousand callers at once: each is answered or refused, none is left.
func TestEveryRequestIsAnswered(t *testing.T) {
	const callers, limit = 10_000, 1000
	w := newWorld(t)
	release := make(chan struct{})
	var working, most atomic.Int64
	serve(t, w.bus(), Endpoint{Name: "backup", Limit: limit, Handler: func(context.Context, []byte) (any, error) {
		n := working.Add(1)
		defer working.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-release
		return nil, nil
	}})
	nc := w.raw(Operator)
	replies := make(chan *nats.Msg, callers+1)
	inbox := nc.NewInbox()
	_, err := nc.ChanSubscribe(inbox+".*", replies)
	require.NoError(t, err)
	for i := range callers {
		require.NoError(t, nc.PublishRequest("brock.alpha.backup", fmt.Sprint(inbox, ".", i), nil))
	}
	seen := map[string]bool{}
	refused, fine := 0, 0
	for range callers {
		if refused == callers-limit && fine == 0 {
			close(release)
		}
		msg := receive(t, replies)
		require.False(t, seen[msg.Subject], "answered twice")
		seen[msg.Subject] = true
		if code := msg.Header.Get(micro.ErrorCodeHeader); code == "429" {
			refused++
			require.Contains(t, string(msg.Data), CodeTooManyRequests)
		} else {
			require.Empty(t, code)
			fine++
		}
	}
	require.Equal(t, limit, fine)
	require.EqualValues(t, limit, most.Load())
	require.NoError(t, nc.Flush())
	require.Empty(t, replies)
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// "A client that gives up earlier cancels nothing."
func TestLeavingClientCancelsNothing(t *testing.T) {
	w := newWorld(t)
	started, gone, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	serve(t, w.bus(), Endpoint{Name: "backup", Handler: func(ctx context.Context, _ []byte) (any, error) {
		close(started)
		<-gone
		result <- ctx.Err()
		return nil, nil
	}})
	c := w.client(Operator)
	ctx, cancel := context.WithCancel(w.ctx())
	go func() { <-started; cancel() }()
	require.ErrorIs(t, c.Request(ctx, testHub, "backup", nil, nil), context.Canceled)
	c.Close()
	close(gone)
	require.NoError(t, receive(t, result))
}

func TestCloseAnswersWhatIsUnderWay(t *testing.T) {
	for name, tc := range map[string]struct {
		handler func(release <-chan struct{}) Handler
		patient bool
		want    string
	}{
		"waits": {func(release <-chan struct{}) Handler {
			return func(context.Context, []byte) (any, error) { <-release; return "done", nil }
		}, true, ""},
		"cancels": {func(<-chan struct{}) Handler {
			return func(ctx context.Context, _ []byte) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
		}, false, CodeShuttingDown},
		"abandons": {func(release <-chan struct{}) Handler {
			return func(context.Context, []byte) (any, error) { <-release; return "too late", nil }
		}, false, CodeShuttingDown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.bus()
			started, release := make(chan struct{}), make(chan struct{})
			handler := tc.handler(release)
			serve(t, b, Endpoint{Name: "backup", Handler: func(ctx context.Context, body []byte) (any, error) {
				close(started)
				return handler(ctx, body)
			}})
			c := w.client(Operator)
			reply := make(chan error, 1)
			go func() { reply <- c.Request(w.ctx(), testHub, "backup", nil, nil) }()
			receive(t, started)
			b.StopRequests()
			late := c.Request(w.ctx(), testHub, "backup", nil, nil)
			require.True(t, errors.Is(late, ErrNoHub) || errors.Is(late, &Error{Code: CodeShuttingDown}), "%v", late)
			ctx := w.ctx()
			if tc.patient {
				close(release)
			} else {
				short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
				ctx = short
			}
			err := b.Close(ctx)
			got := receive(t, reply)
			if tc.patient {
				require.NoError(t, err)
				require.NoError(t, got)
				return
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, got, &Error{Code: tc.want})
			close(release)
		})
	}
}

// Replies made while NATS is down reach a client that waits on the same
// connection.
func TestReplySurvivesOutage(t *testing.T) {
	w := newWorld(t)
	started, release := make(chan struct{}), make(chan struct{})
	serve(t, w.bus(), Endpoint{Name: "backup", Handler: func(context.Context, []byte) (any, error) {
		close(started)
		<-release
		return "done", nil
	}})
	nc := w.raw(Operator, nats.ReconnectWait(20*time.Millisecond), nats.MaxReconnects(-1))
	back := nc.StatusChanged(nats.CONNECTED)
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, nc.PublishRequest("brock.alpha.backup", inbox, nil))
	receive(t, started)
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.Restart(w.ctx()))
	receive(t, back)
	require.NoError(t, nc.Flush())
	close(release)
	msg, err := sub.NextMsg(patience)
	require.NoError(t, err)
	require.Equal(t, `"done"`, string(msg.Data))
}

// `nats micro ls` finds the hub, as a viewer.
func TestServiceIsDiscoverable(t *testing.T) {
	w := newWorld(t)
	serve(t, w.bus(), Endpoint{Name: "health", Handler: answer(nil)}, Endpoint{Name: "records.get", Handler: answer(nil)})
	nc := w.raw(Viewer)
	msg, err := nc.RequestWithContext(w.ctx(), "$SRV.PING.brock", nil)
	require.NoError(t, err)
	var ping micro.Ping
	require.NoError(t, json.Unmarshal(msg.Data, &ping))
	require.Equal(t, "brock", ping.Name)
	require.Equal(t, "1.2.3", ping.Version)
	require.Equal(t, testHub, ping.Metadata["hub"])
	msg, err = nc.RequestWithContext(w.ctx(), "$SRV.INFO.brock", nil)
	require.NoError(t, err)
	var info micro.Info
	require.NoError(t, json.Unmarshal(msg.Data, &info))
	require.Equal(t, "brock.alpha.records.get", info.Endpoints[1].Subject)
	require.Equal(t, "brock-alpha", info.Endpoints[1].QueueGroup)
}

func TestServeRefusesNonsense(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	require.ErrorIs(t, b.Serve(ServiceConfig{Version: "not semver"}), ErrConfig)
	require.ErrorIs(t, b.Serve(ServiceConfig{Version: "1.0.0", Endpoints: []Endpoint{{Name: "x"}}}), ErrConfig)
	require.Error(t, b.Serve(ServiceConfig{Version: "1.0.0", Endpoints: []Endpoint{{Name: "a b", Handler: answer(nil)}}}))
	serve(t, b)
	require.ErrorIs(t, b.Serve(ServiceConfig{Version: "1.0.0"}), ErrConfig)
}

func TestBodiesAreBounded(t *testing.T) {
	s := &service{working: map[*call]struct{}{}}
	ep := &served{Endpoint: Endpoint{Name: "records.import", Limit: 100}}
	huge := &call{service: s, endpoint: ep, body: make([]byte, maxBodies+1)}
	require.Nil(t, s.admit(huge), "one body always fits")
	require.Equal(t, CodeTooManyRequests, s.admit(&call{service: s, endpoint: ep, body: []byte("x")}).Code)
	s.finished(huge)
	require.Nil(t, s.admit(&call{service: s, endpoint: ep, body: []byte("x")}))
}

func TestCallAnswersOnce(t *testing.T) {
	w := newWorld(t)
	nc := w.raw(Operator)
	b := w.bus()
	s := &service{conn: b.requests, log: w.log()}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	c := &call{service: s, endpoint: &served{}, reply: inbox}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { c.answer(i, nil) })
	}
	wg.Wait()
	_, err = sub.NextMsg(patience)
	require.NoError(t, err)
	require.NoError(t, b.requests.Flush())
	require.NoError(t, nc.Flush())
	n, _, err := sub.Pending()
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestHeaderText(t *testing.T) {
	require.Equal(t, "a b c", headerText(" a\r\nb\tc "))
	require.LessOrEqual(t, len(headerText(strings.Repeat("é", 5000))), maxHeader+3)
}
