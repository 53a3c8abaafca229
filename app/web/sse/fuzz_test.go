package sse

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/jonboulle/clockwork"
)

// FuzzBegin: whatever a client says about where to begin, it is one place that the
// stream can be asked for, or it is refused.
func FuzzBegin(f *testing.F) {
	for _, q := range []string{"", "since=168h", "since=-1h", "since=0001-01-01T00:00:00Z", "since=0000-01-01T00:00:00%2B24:00", "since=9999-12-31T23:59:59-23:59", "since=2562047h",
		"last_event_id=01ABCDEFGHJKMNPQRSTVWXYZ00", "last_event_id=%00%0a", "last_event_id=" + strings.Repeat("A", 65), "x=1", "since=1h&since=2h", "%zz", ";"} {
		f.Add("", q)
		f.Add("00000000000000000000000000", q)
	}
	f.Add(strings.Repeat("Z", 64), "")
	f.Add(strings.Repeat("\xff", 65), "")
	h := New(Config{Wall: clockwork.NewFakeClock()})
	f.Fuzz(func(t *testing.T, header, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "/events", RawQuery: query}, Header: http.Header{"Last-Event-Id": {header}}}
		opts, err := h.options(r)
		if err != nil {
			var e *bus.Error
			if !errors.As(err, &e) || e.Status != http.StatusBadRequest || len(e.Message) > 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		if opts.All || opts.Last != 0 || opts.AfterID != "" && !opts.Since.IsZero() || len(opts.AfterID) > maxID || opts.Buffer != eventBuffer {
			t.Fatalf("%+v", opts)
		}
	})
}

// FuzzFrame: whatever an event holds, it is one frame, or none.
func FuzzFrame(f *testing.F) {
	f.Add("01ABC", "backup_complete", `{"text":"a\nb"}`)
	f.Add("a\nid: b", "t\r\ndata: x", `{}`)
	f.Add("\x00", "", `{"type":"x"}`)
	f.Add("é", " lead", "null")
	f.Fuzz(func(t *testing.T, id, typ, detail string) {
		w := httptest.NewRecorder()
		out := &frames{w: w, control: http.NewResponseController(w), patience: time.Second}
		e := bus.Event{Type: bus.EventType(typ), ID: id, Hub: "hub", Detail: json.RawMessage(detail)}
		if err := out.event(&e); err != nil {
			t.Fatal(err)
		}
		text := w.Body.String()
		if text == "" {
			return
		}
		lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		if len(lines) != 3 || !strings.HasSuffix(text, "\n\n") || lines[0] != "id: "+id || lines[1] != "event: "+typ || !strings.HasPrefix(lines[2], "data: {") {
			t.Fatalf("%q", text)
		}
		if !json.Valid([]byte(lines[2][len("data: "):])) {
			t.Fatalf("%q", text)
		}
	})
}
