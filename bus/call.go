package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const maxHeader = 1024 // bytes of an error's message in a header

// call is one request under way. It does not answer through micro.Request: that
// one notes errors in a field which nats.go reads, unguarded, when the callback
// returns, and here the callback returns first.
type call struct {
	service  *service
	endpoint *served
	reply    string
	body     []byte
	answered atomic.Bool
}

func (c *call) run() {
	defer c.service.finished(c)
	result, err := c.handle()
	if err != nil && c.service.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = stoppedError()
	}
	r, more := result.(Reply)
	if more {
		result = r.Value
	}
	c.answer(result, err)
	if more && r.Then != nil {
		if err := flush(c.service.ctx, c.service.conn); err != nil {
			c.service.log.Warn("a reply may not have left", "endpoint", c.endpoint.Name, "error", err)
		}
		r.Then()
	}
}

// handle runs the handler; a panic becomes an error.
func (c *call) handle() (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.service.log.Error("request handler panicked", "endpoint", c.endpoint.Name,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result, err = nil, &Error{Code: CodeInternal, Status: 500, Message: "internal error; the hub's log has more"}
		}
	}()
	return c.endpoint.Handler(context.WithValue(c.service.ctx, replyKey{}, c.reply), c.body)
}

// answer sends the reply, the first time that it is called.
func (c *call) answer(result any, failure error) {
	if !c.answered.CompareAndSwap(false, true) {
		return
	}
	msg, err := replyMessage(result, failure)
	if err != nil {
		msg, _ = replyMessage(nil, err)
	}
	msg.Subject = c.reply
	err = c.service.conn.PublishMsg(msg)
	if errors.Is(err, nats.ErrMaxPayload) {
		msg, _ = replyMessage(nil, &Error{Code: CodeReplyTooLarge, Status: 500,
			Message: fmt.Sprintf("the reply has %d bytes, more than a message may; ask for less", len(msg.Data))})
		msg.Subject = c.reply
		err = c.service.conn.PublishMsg(msg)
	}
	if err != nil {
		c.service.log.Error("a reply could not be sent", "endpoint", c.endpoint.Name, "error", err)
	}
}

// replyMessage encodes a result or a failure.
func replyMessage(result any, failure error) (*nats.Msg, error) {
	if failure == nil {
		data, err := encodeJSON(result)
		return &nats.Msg{Data: data}, err
	}
	e := asError(failure)
	data, err := e.MarshalJSON()
	if err != nil {
		return nil, err
	}
	header := nats.Header{}
	header.Set(micro.ErrorHeader, headerText(e.Error()))
	header.Set(micro.ErrorCodeHeader, strconv.Itoa(e.Status))
	return &nats.Msg{Data: data, Header: header}, nil
}

// asError finds the *Error in err, or makes one.
func asError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Code: CodeInternal, Status: 500, Message: err.Error()}
	}
	filled := *e
	if filled.Code == "" {
		filled.Code = CodeInternal
	}
	if filled.Status == 0 {
		filled.Status = 500
	}
	return &filled
}

// headerText fits s into one header line.
func headerText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxHeader {
		s = strings.ToValidUTF8(s[:maxHeader], "") + "…"
	}
	return s
}

// MarshalJSON returns the error's shape: error, message, table if any, then the
// other fields of Body.
func (e *Error) MarshalJSON() ([]byte, error) {
	members := []member{field("error", e.Code), field("message", e.Error())}
	if e.Table != "" {
		members = append(members, field("table", e.Table))
	}
	if e.Body == nil {
		return formatObject(members)
	}
	raw, err := encodeJSON(e.Body)
	if err != nil {
		return nil, err
	}
	body, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("bus: body of error %q: %w", e.Code, err)
	}
	own := len(members)
	for _, m := range body {
		taken := slices.ContainsFunc(members[:own], func(o member) bool { return o.key == m.key })
		if !taken {
			members = append(members, m)
		}
	}
	return formatObject(members)
}

// replyError decodes a failed reply; nil for a good one.
func replyError(msg *nats.Msg) error {
	text := msg.Header.Get(micro.ErrorHeader)
	status := msg.Header.Get(micro.ErrorCodeHeader)
	if text == "" && status == "" {
		return nil
	}
	e := &Error{Code: CodeInternal, Message: text}
	e.Status, _ = strconv.Atoi(status)
	var shape struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Table   string `json:"table"`
	}
	if json.Unmarshal(msg.Data, &shape) == nil {
		e.Body = json.RawMessage(msg.Data)
		e.Table = shape.Table
		if shape.Error != "" {
			e.Code = shape.Error
		}
		if shape.Message != "" {
			e.Message = shape.Message
		}
	}
	return e
}
