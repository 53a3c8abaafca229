package bus

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Event is a final fact. On the wire it is one flat JSON object: type, id, hub,
// timestamp, then the fields of Detail.
type Event struct {
	Type      EventType
	ID        string // unique; ids of one process sort in the order they were made
	Hub       string
	Timestamp int64           // Unix milliseconds
	Detail    json.RawMessage // a JSON object without the four fields above; may be nil
}

// NewEvent makes an event with a fresh id. The detail must marshal to a JSON
// object, or be nil. A field of it that is named as one of the envelope must
// have the envelope's value and is then left out (a run has its hub too).
// Errors match ErrBadEvent.
func NewEvent(typ EventType, hub string, at time.Time, detail any) (Event, error) {
	if !slices.Contains(EventTypes(), typ) {
		return Event{}, fmt.Errorf("%w: unknown type %q", ErrBadEvent, typ)
	}
	return NewNotice(typ, hub, at, detail)
}

// NewNotice is [NewEvent] for what has the form of an event and is never published as
// one, such as an alarm: it may be of any type.
func NewNotice(typ EventType, hub string, at time.Time, detail any) (Event, error) {
	if err := validateHub(hub); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	e := Event{Type: typ, ID: eventIDs.next(at), Hub: hub, Timestamp: at.UnixMilli()}
	raw, err := encodeJSON(detail)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	rest, err := e.checkDetail(raw)
	if err != nil || len(rest) == 0 {
		return e, err
	}
	e.Detail, err = formatObject(rest)
	return e, err
}

// checkDetail returns the members of a detail, less those that repeat the
// envelope.
func (e Event) checkDetail(detail []byte) ([]member, error) {
	if len(detail) == 0 || string(detail) == "null" {
		return nil, nil
	}
	members, err := parseObject(detail)
	if err != nil {
		return nil, fmt.Errorf("%w: detail: %w", ErrBadEvent, err)
	}
	envelope := e.envelope()
	var rest []member
	for _, m := range members {
		i := slices.IndexFunc(envelope, func(own member) bool { return own.key == m.key })
		if i < 0 {
			rest = append(rest, m)
		} else if string(envelope[i].value) != string(m.value) {
			return nil, fmt.Errorf("%w: the detail's field %q shadows the envelope", ErrBadEvent, m.key)
		}
	}
	return rest, nil
}

func (e Event) envelope() []member {
	return []member{
		field("type", e.Type), field("id", e.ID), field("hub", e.Hub), field("timestamp", e.Timestamp),
	}
}

// validate reports the first field that is missing.
func (e Event) validate() error {
	switch {
	case e.Type == "":
		return fmt.Errorf("%w: no type", ErrBadEvent)
	case e.ID == "":
		return fmt.Errorf("%w: no id", ErrBadEvent)
	case e.Hub == "":
		return fmt.Errorf("%w: no hub", ErrBadEvent)
	}
	return nil
}

// MarshalJSON returns the flat object. It fails with ErrBadEvent when Detail is
// no object or shadows the envelope.
func (e Event) MarshalJSON() ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	rest, err := e.checkDetail(e.Detail)
	if err != nil {
		return nil, err
	}
	return formatObject(append(e.envelope(), rest...))
}

// UnmarshalJSON fills the envelope and keeps all other fields, in order, in
// Detail. It takes types that it does not know, and fails with ErrBadEvent when
// type, id or hub is missing.
func (e *Event) UnmarshalJSON(data []byte) error {
	members, err := parseObject(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	var out Event
	var rest []member
	for _, m := range members {
		known, err := out.setEnvelope(m)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBadEvent, m.key, err)
		}
		if !known {
			rest = append(rest, m)
		}
	}
	if len(rest) > 0 {
		if out.Detail, err = formatObject(rest); err != nil {
			return fmt.Errorf("%w: %w", ErrBadEvent, err)
		}
	}
	*e = out
	return e.validate()
}

func (e *Event) setEnvelope(m member) (known bool, err error) {
	switch m.key {
	case "type":
		return true, json.Unmarshal(m.value, &e.Type)
	case "id":
		return true, json.Unmarshal(m.value, &e.ID)
	case "hub":
		return true, json.Unmarshal(m.value, &e.Hub)
	case "timestamp":
		return true, json.Unmarshal(m.value, &e.Timestamp)
	}
	return false, nil
}

// Decode unmarshals the whole flat object, envelope and detail, into v.
func (e Event) Decode(v any) error {
	data, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// Time returns when it happened, in UTC.
func (e Event) Time() time.Time { return time.UnixMilli(e.Timestamp).UTC() }
