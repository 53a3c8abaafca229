// Package alert takes alarms out of the process: to webhooks, a command, and by a
// heartbeat that stops. What was raised is on the disk until its receiver has it, or a
// day has passed; each receiver has a queue of its own, so that a broken one holds up
// no other.
package alert

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/brockdb/brock/bus"
)

// Alarm is something that people must hear of.
type Alarm struct {
	ID   string          `json:"id"` // of the event; receivers know by it what they have already
	Type string          `json:"type"`
	Text string          `json:"text"` // one line for people
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"` // the event's JSON with the text in it
}

// New makes an alarm of an event.
func New(e bus.Event, text string) (Alarm, error) {
	a := Alarm{ID: e.ID, Type: string(e.Type), Text: text, At: e.Time()}
	body, err := e.MarshalJSON()
	if err != nil {
		return a, err
	}
	var field bytes.Buffer
	enc := json.NewEncoder(&field)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return a, err
	}
	body = append(bytes.TrimSuffix(body, []byte("}")), `,"text":`...)
	a.Body = append(append(body, bytes.TrimSpace(field.Bytes())...), '}')
	return a, nil
}
