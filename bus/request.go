package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Request asks a hub and waits for its one answer, for as long as ctx allows. A
// nil body asks with an empty one; bytes go as they are; anything else as JSON.
// The answer is unmarshalled into out unless that is nil. Errors: *Error from
// the hub (or with CodeForbidden), ErrNoHub, ErrConnectionLost, ErrTooLarge,
// ErrClosed, ctx's.
func (c *Client) Request(ctx context.Context, hub, endpoint string, body, out any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = encodeJSON(body); err != nil {
			return fmt.Errorf("bus: encode request: %w", err)
		}
	}
	reply, err := c.RequestRaw(ctx, hub, endpoint, data)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("bus: decode the reply of %s: %w", endpoint, err)
	}
	return nil
}

// RequestRaw is Request in bytes. With an *Error from the hub it returns the
// error's JSON too.
func (c *Client) RequestRaw(ctx context.Context, hub, endpoint string, body []byte) ([]byte, error) {
	if err := validateHub(hub); err != nil {
		return nil, err
	}
	subject := requestSubject(hub, endpoint)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	leave, err := c.wait(&waiter{subject: subject, fail: fail})
	if err != nil {
		return nil, err
	}
	defer leave()
	msg, err := c.ask(ctx, subject, body)
	if err != nil {
		return nil, c.requestError(ctx, hub, endpoint, err)
	}
	return msg.Data, replyError(msg)
}

// ask is [nats.Conn.RequestMsgWithContext] with an inbox of its own, into which the
// connection puts the answer before it notices its own end: who is cut off with the answer
// (to new credentials, say) gets it all the same.
func (c *Client) ask(ctx context.Context, subject string, body []byte) (msg *nats.Msg, err error) {
	answers := make(chan *nats.Msg, 1)
	inbox := c.nc.NewInbox()
	sub, err := c.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // a connection that is lost has none
	if err := c.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: inbox, Data: body}); err != nil {
		return nil, err
	}
	select {
	case msg = <-answers:
	case <-ctx.Done():
		select {
		case msg = <-answers:
		default:
			return nil, ctx.Err()
		}
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders
	}
	return msg, nil
}

// wait registers w, so that a lost connection or a refusal ends it.
func (c *Client) wait(w *waiter) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if !c.nc.IsConnected() {
		return nil, c.lostError()
	}
	c.waiting[w] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, w)
	}, nil
}

func (c *Client) requestError(ctx context.Context, hub, endpoint string, err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: the NATS server at %s runs, but no hub %q serves %q", ErrNoHub, c.addr, hub, endpoint)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: the request for %s; send less at a time", ErrTooLarge, endpoint)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("bus: request %s: %w", endpoint, err)
}
