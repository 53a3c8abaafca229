package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// frame is a server-sent event.
type frame struct{ id, event, data, comment string }

// stream is a client of /events.
type stream struct {
	t    *testing.T
	in   *bufio.Reader
	last string // the newest id, as a browser keeps it
	end  func()
}

// events follows the hub over HTTP; headers are pairs.
func events(t *testing.T, h *app.Hub, query string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", h.HTTPURL()+"/events"+query, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+h.Credentials().Viewer.Token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	s := &stream{t: t, in: bufio.NewReader(resp.Body)}
	s.end = func() {
		cancel()
		_ = resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	}
	t.Cleanup(s.end)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	return s
}

// next returns the next frame; ok is false at the end.
func (s *stream) next() (f frame, ok bool) {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			require.NotErrorIs(s.t, err, context.DeadlineExceeded, "no frame came")
			return frame{}, false
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "id":
			f.id, s.last = value, value
		case "event":
			f.event = value
		case "data":
			f.data = value
		case "retry":
		case "":
			if line == "" && f != (frame{}) {
				return f, true
			}
			if line != "" {
				return frame{comment: line}, true
			}
		}
	}
}

// until reads up to the first frame of a type and returns what came before it, of
// events only.
func (s *stream) until(event string) (before []frame, at frame) {
	s.t.Helper()
	for {
		f, ok := s.next()
		require.True(s.t, ok, "the stream ended before %q", event)
		if f.event == event {
			return before, f
		}
		if f.event != "progress" {
			before = append(before, f)
		}
	}
}

func typesIn(frames []frame) (types []string) {
	for _, f := range frames {
		types = append(types, f.event)
	}
	return types
}

func TestEventsOverHTTP(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.DrillEvery = []string{"a"}, -1
	cfg.HTTPAddr = "127.0.0.1:0"
	h := open(t, cfg)
	ctx := context.Background()
	s := events(t, h, "")
	before, live := s.until("live")
	require.Empty(t, before)
	require.Equal(t, frame{event: "live", data: "{}"}, live)

	run, err := h.Backup(ctx)
	require.NoError(t, err)
	before, done := s.until("backup_complete")
	require.Equal(t, []string{"backup_started"}, typesIn(before))
	var e app.Event
	require.NoError(t, json.Unmarshal([]byte(done.data), &e))
	require.Equal(t, done.id, e.ID)
	told, err := app.Decode[app.Run](e)
	require.NoError(t, err)
	require.Equal(t, run.ID, told.ID)
	s.end()

	// What happens while the client is away it gets when it is back, exactly, also after
	// the hub was away too.
	_, err = h.Verify(ctx)
	require.NoError(t, err)
	_, err = h.Backup(ctx)
	require.NoError(t, err)
	shut(t, h)
	h = open(t, cfg)
	for _, again := range []*stream{events(t, h, "?since=1h", "Last-Event-ID", s.last), events(t, h, "?last_event_id="+s.last)} {
		missed, _ := again.until("live")
		require.Equal(t, []string{"verify_complete", "backup_started", "backup_complete"}, typesIn(missed))
		again.end()
	}
	all, _ := events(t, h, "?since=1h").until("live")
	require.Equal(t, []string{"backup_started", "backup_complete", "verify_complete", "backup_started", "backup_complete"}, typesIn(all))
	all, _ = events(t, h, "?since="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)).until("live")
	require.Empty(t, all)
	all, lost := events(t, h, "?last_event_id=01HZZZZZZZZZZZZZZZZZZZZZZZ").until("lost")
	require.Empty(t, all)
	require.JSONEq(t, `{"missed":null}`, lost.data)

	c := &caller{t, h}
	for _, query := range []string{"?since=yesterday", "?since=-1h", "?after=x", "?last_event_id=" + strings.Repeat("x", 65)} {
		status, out := c.ask(app.Viewer, "GET", "/events"+query, "")
		require.Equal(t, 400, status, query)
		require.Equal(t, "invalid", out["error"])
	}

	// The hub's close ends what is open.
	last := events(t, h, "")
	last.until("live")
	shut(t, h)
	_, err = io.Copy(io.Discard, last.in)
	require.NoError(t, err, "an orderly end")
}

// Progress comes along, and has no id, for nobody can come back to it.
func TestProgressOverHTTP(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.DrillEvery = []string{"a"}, -1
	cfg.HTTPAddr = "127.0.0.1:0"
	h := open(t, cfg)
	_, err := table(t, h, "a").Put(context.Background(), []byte("k"), []byte("v"))
	require.NoError(t, err)
	s := events(t, h, "")
	s.until("live")
	_, err = h.Backup(context.Background())
	require.NoError(t, err)
	_, p := s.until("progress")
	require.Empty(t, p.id)
	require.Contains(t, p.data, `"stage"`)
	require.Contains(t, p.data, `"table":"a"`)
}
