package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// sink is what an outbox delivers to.
type sink struct {
	mu   sync.Mutex
	got  []string
	fail error
	hold chan struct{} // sends wait for it, if not nil
}

func (s *sink) send(ctx context.Context, id string, _ []byte, _ bool) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.got = append(s.got, id)
	return nil
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

func (s *sink) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

type outboxWorld struct {
	*testing.T
	dir  string
	sink *sink
	logs *logBuffer
}

func newOutboxWorld(t *testing.T) *outboxWorld {
	return &outboxWorld{T: t, dir: t.TempDir(), sink: &sink{}, logs: &logBuffer{}}
}

func (w *outboxWorld) open(limit int) *outbox {
	w.Helper()
	o, err := openOutbox(w.dir, nil, limit, w.sink.send, slog.New(slog.NewTextHandler(w.logs, nil)))
	require.NoError(w, err)
	return o
}

// run delivers until stop is called.
func (w *outboxWorld) run(o *outbox) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); o.run(ctx) }()
	return func() { cancel(); <-done }
}

func (w *outboxWorld) drain(o *outbox) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(w, o.drain(ctx))
}

func (w *outboxWorld) add(o *outbox, from, to int) (ids []string) {
	w.Helper()
	for n := from; n <= to; n++ {
		e := event(w.T, n)
		data, err := e.MarshalJSON()
		require.NoError(w, err)
		require.NoError(w, o.add(data))
		ids = append(ids, e.ID)
	}
	return ids
}

func TestOutboxKeepsOrderAcrossProcesses(t *testing.T) {
	w := newOutboxWorld(t)
	ids := w.add(w.open(0), 1, 5) // a process that sends nothing
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, ".tmp-123"), []byte("torn"), 0o600))
	o := w.open(0)
	ids = append(ids, w.add(o, 6, 8)...)
	stop := w.run(o)
	w.drain(o)
	stop()
	require.Equal(t, ids, w.sink.ids())
	files, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	require.Len(t, files, 1) // the mark
	ids = append(ids, w.add(w.open(0), 9, 9)...)
	o = w.open(0)
	stop = w.run(o)
	w.drain(o)
	stop()
	require.Equal(t, ids, w.sink.ids())
}

func TestOutboxManyPublishers(t *testing.T) {
	w := newOutboxWorld(t)
	o := w.open(0)
	stop := w.run(o)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() { w.add(o, n*20, n*20+19) })
	}
	wg.Wait()
	w.drain(o)
	stop()
	seen := map[string]bool{}
	for _, id := range w.sink.ids() {
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Len(t, seen, 160)
}

func TestOutboxSetsDamageAside(t *testing.T) {
	w := newOutboxWorld(t)
	ids := w.add(w.open(0), 1, 4)
	for seq, spoil := range map[uint64]func([]byte) []byte{
		2: func(b []byte) []byte { b[len(b)-3] ^= 1; return b },
		3: func(b []byte) []byte { return b[:len(b)/2] },
		4: func([]byte) []byte { return nil },
	} {
		name := filepath.Join(w.dir, eventName(seq))
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, spoil(data), 0o600))
	}
	o := w.open(0)
	ids = append(ids[:1], w.add(o, 5, 6)...)
	name := filepath.Join(w.dir, eventName(6)) // damaged while it waits
	require.NoError(t, os.WriteFile(name, []byte("?"), 0o600))
	stop := w.run(o)
	w.drain(o)
	stop()
	require.Equal(t, ids[:2], w.sink.ids())
	_, stats := o.status()
	require.EqualValues(t, 4, stats.damaged)
	aside, err := filepath.Glob(filepath.Join(w.dir, "*.damaged"))
	require.NoError(t, err)
	require.Len(t, aside, 4)
	require.Contains(t, w.logs.String(), eventName(3))
	require.EqualValues(t, 6, w.open(0).lastSeq) // numbers are never used again
}

func TestOutboxMarkDamaged(t *testing.T) {
	w := newOutboxWorld(t)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, ackedName), []byte("garbage"), 0o600))
	o := w.open(0)
	ids := w.add(o, 1, 1)
	stop := w.run(o)
	w.drain(o)
	stop()
	require.Equal(t, ids, w.sink.ids())
	require.Contains(t, w.logs.String(), "unreadable")
}

// A full outbox refuses nothing; the oldest go, and it says so.
func TestOutboxFull(t *testing.T) {
	w := newOutboxWorld(t)
	w.sink.hold = make(chan struct{})
	o := w.open(3)
	stop := w.run(o)
	ids := w.add(o, 1, 10)
	pending, stats := o.status()
	require.Equal(t, 3, pending)
	require.EqualValues(t, 7, stats.dropped)
	require.Contains(t, w.logs.String(), "oldest event is dropped")
	close(w.sink.hold)
	w.drain(o)
	stop()
	got := w.sink.ids()
	require.Equal(t, ids[7:], got[len(got)-3:])
	require.LessOrEqual(t, len(got), 4) // and the one under way
}

func TestOutboxRetriesAndRejects(t *testing.T) {
	w := newOutboxWorld(t)
	w.sink.setFail(errors.New("away"))
	o := w.open(0)
	stop := w.run(o)
	w.add(o, 1, 2)
	eventually(t, "the failure shows", func() bool { _, s := o.status(); return s.lastError == "away" })
	w.sink.setFail(fmt.Errorf("wrapped: %w", nats.ErrMaxPayload))
	o.reconnected()
	eventually(t, "both are rejected", func() bool { _, s := o.status(); return s.rejected == 2 })
	w.sink.setFail(nil)
	ids := w.add(o, 3, 3)
	w.drain(o)
	stop()
	require.Equal(t, ids, w.sink.ids())
	rejected, err := filepath.Glob(filepath.Join(w.dir, "*.rejected"))
	require.NoError(t, err)
	require.Len(t, rejected, 2)
}

func TestOutboxDirectoryTrouble(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := openOutbox(file, nil, 0, nil, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	w := newOutboxWorld(t)
	o := w.open(0)
	require.NoError(t, os.RemoveAll(w.dir))
	require.Error(t, o.add([]byte("{}")))
	o.close()
	require.ErrorIs(t, o.add([]byte("{}")), ErrClosed)
}

func TestOutboxFileFormat(t *testing.T) {
	dir := outboxDir{t.TempDir(), systemFiles{}}
	require.NoError(t, dir.write("x", []byte(`{"a":1}`)))
	raw, err := os.ReadFile(filepath.Join(dir.path, "x"))
	require.NoError(t, err)
	header, body, _ := bytes.Cut(raw, []byte("\n"))
	require.Equal(t, "brock-outbox 1 015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862", string(header))
	require.Equal(t, `{"a":1}`, string(body))
}
