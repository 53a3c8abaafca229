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
	"github.com/nats-io/nats.go/micro"
)

// serve starts to answer. It is a micro service, so `nats micro ls` shows it.
func (h *Hub) serve() error {
	nc, err := h.Brock.NATS()
	if err == nil {
		h.service, err = micro.AddService(nc, micro.Config{Name: "agents", Version: "1.0.0"})
	}
	if err != nil {
		return err
	}
	return errors.Join(on(h, "task.submit", h.Submit), on(h, "task.take", h.Take), on(h, "task.finish", h.Finish),
		on(h, "mail.send", h.Send), on(h, "mail.read", h.Read), on(h, "channel.post", h.Post), on(h, "channel.history", h.History),
		nc.Flush()) // the server knows of the service before Open returns
}

// on answers requests with what do returns. Each request has a goroutine of its own,
// so that Brock commits together what arrives together.
func on[In, Out any](h *Hub, name string, do func(context.Context, In) (Out, error)) error {
	return h.service.AddEndpoint(strings.ReplaceAll(name, ".", "-"), micro.HandlerFunc(func(r micro.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.closed {
			refuse(r, app.ErrClosed)
			return
		}
		h.work.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var in In
			if err := json.Unmarshal(r.Data(), &in); err != nil {
				refuse(r, fmt.Errorf("%w request: %w", app.ErrInvalid, err))
			} else if out, err := do(ctx, in); err != nil {
				refuse(r, err)
			} else {
				_ = r.RespondJSON(out) // an agent that gets no answer asks again
			}
		})
	}), micro.WithEndpointSubject("agents."+name))
}

// refuse answers with an error and the status that Brock gives it: 409 for a conflict.
func refuse(r micro.Request, err error) {
	e := remote.Error(err)
	_ = r.Error(strconv.Itoa(e.Status), e.Message, nil)
}
