package agenthub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// serve starts to answer. It is a micro service, so `nats micro ls` shows it.
func (h *Hub) serve() (err error) {
	if h.nc, err = h.Brock.NATS(); err == nil {
		h.service, err = micro.AddService(h.nc, micro.Config{Name: "agents", Version: "1.0.0"})
	}
	if err != nil {
		return err
	}
	return errors.Join(on(h, "task.submit", h.Submit), on(h, "task.take", h.Take), on(h, "task.finish", h.Finish),
		on(h, "mail.send", h.Send), on(h, "mail.read", h.Read), on(h, "channel.post", h.Post), on(h, "channel.history", h.History),
		h.nc.Flush()) // the server knows of the service before Open returns
}

// on answers each request on its own goroutine: Brock commits together what came together.
func on[In, Out any](h *Hub, name string, do func(context.Context, In) (Out, error)) error {
	return h.service.AddEndpoint(strings.ReplaceAll(name, ".", "-"), micro.HandlerFunc(func(r micro.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.closed {
			h.answer(r, nil, app.ErrClosed)
			return
		}
		h.work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var in In
			if err := json.Unmarshal(r.Data(), &in); err != nil {
				h.answer(r, nil, fmt.Errorf("%w request: %w", app.ErrInvalid, err))
				return
			}
			out, err := do(ctx, in)
			h.answer(r, out, err)
		})
	}), micro.WithEndpointSubject("agents."+name))
}

// answer does not use r's own methods: micro reads what they write without a lock.
func (h *Hub) answer(r micro.Request, out any, err error) {
	msg := &nats.Msg{Subject: r.Reply()}
	if err == nil {
		msg.Data, err = json.Marshal(out)
	}
	if err != nil {
		e := remote.Error(err)
		msg.Header = nats.Header{micro.ErrorHeader: {e.Message}, micro.ErrorCodeHeader: {strconv.Itoa(e.Status)}}
	}
	_ = h.nc.PublishMsg(msg) // an agent that gets no answer asks again
}
