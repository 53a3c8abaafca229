package bus

import (
	"context"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// moments reads until what follows is live, as words: the events' numbers among them.
func moments(t *testing.T, w *world, s *Subscription[Moment]) (seen []any) {
	t.Helper()
	for {
		m, err := s.Next(w.ctx())
		require.NoError(t, err)
		switch {
		case m.Live:
			return append(seen, "live")
		case m.Lost != nil:
			seen = append(seen, "lost", int(m.Lost.Missed))
		default:
			seen = append(seen, number(t, *m.Event))
		}
	}
}

// A replay says where it ends and what is missing, in its place.
func TestMomentsOfAReplay(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	ids := publish(t, b, 1, 4)
	require.NoError(t, b.Flush(w.ctx()))
	for _, tc := range []struct {
		name string
		opts SubscribeOptions
		want []any
	}{
		{"live", SubscribeOptions{}, []any{"live"}},
		{"all", SubscribeOptions{All: true}, []any{1, 2, 3, 4, "live"}},
		{"after id", SubscribeOptions{AfterID: ids[1]}, []any{3, 4, "live"}},
		{"after the newest", SubscribeOptions{AfterID: ids[3]}, []any{"live"}},
		{"after an unknown id", SubscribeOptions{AfterID: "unknown"}, []any{"lost", 0, 1, 2, 3, 4, "live"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := b.Follow(w.ctx(), tc.opts)
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, tc.want, moments(t, w, s))
		})
	}
	s, err := b.Follow(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	require.Equal(t, []any{"live"}, moments(t, w, s))
	publish(t, b, 5, 5)
	m, err := s.Next(w.ctx())
	require.NoError(t, err)
	require.Equal(t, 5, number(t, *m.Event))
	require.NoError(t, b.Close(w.ctx()))
	_, err = s.Next(w.ctx())
	require.ErrorIs(t, err, ErrClosed)
}

// Ids do not go back with a clock that is set back: the stream's times lie before theirs.
func TestAfterAnIDThatIsAheadOfTheClock(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 0} {
		w := newWorld(t)
		b := w.bus()
		at := time.Now().Add(ahead)
		var ids []string
		for n := range 3 {
			e, err := NewEvent(BackupComplete, w.server.cfg.Hub, at, map[string]int{"n": n + 1})
			require.NoError(t, err)
			require.NoError(t, b.Publish(e))
			ids = append(ids, e.ID)
		}
		require.NoError(t, b.Flush(w.ctx()))
		s, err := b.Follow(w.ctx(), SubscribeOptions{AfterID: ids[1]})
		require.NoError(t, err)
		require.Equal(t, []any{3, "live"}, moments(t, w, s), "the second time the clock is back")
		s.Close()
	}
}

// Where NATS keeps nothing a replay is lost, and what happens comes all the same.
func TestMomentsWithoutAStream(t *testing.T) {
	w := newWorld(t)
	for _, coreOnly := range []bool{false, true} {
		b := w.open(Config{Conn: plainServer(t, natsserver.Options{}), CoreOnly: coreOnly, OutboxDir: t.TempDir()})
		s, err := b.Follow(w.ctx(), SubscribeOptions{AfterID: "x"})
		require.NoError(t, err)
		require.Equal(t, []any{"lost", 0, "live"}, moments(t, w, s))
		publish(t, b, 1, 1)
		m, err := s.Next(w.ctx())
		require.NoError(t, err)
		require.Equal(t, 1, number(t, *m.Event))
		s, err = b.Follow(w.ctx(), SubscribeOptions{})
		require.NoError(t, err)
		require.Equal(t, []any{"live"}, moments(t, w, s))
		require.NoError(t, b.Close(w.ctx()))
	}
}

// What retention took is told before what comes after it.
func TestMomentsTellOfRetention(t *testing.T) {
	w := newWorld(t)
	b := w.open(Config{Server: w.server, MaxBytes: 16 << 10})
	for range 40 {
		e, err := NewEvent(BackupComplete, testHub, time.Now(), map[string]string{"pad": strings.Repeat("x", 1<<10)})
		require.NoError(t, err)
		require.NoError(t, b.Publish(e))
	}
	require.NoError(t, b.Flush(w.ctx()))
	r := &reader{nc: b.events, js: b.stream.js, log: b.log, next: 2} // it had read the first
	s := newSubscription[Moment](0)
	s.start(w.ctx(), func(ctx context.Context) error { return pumpMoments(ctx, r, place{last: 40}, s) })
	defer s.Close()
	m, err := s.Next(w.ctx())
	require.NoError(t, err)
	require.NotNil(t, m.Lost)
	missed := int(m.Lost.Missed)
	require.Positive(t, missed)
	events := 0
	for m, err = s.Next(w.ctx()); !m.Live; m, err = s.Next(w.ctx()) {
		require.NoError(t, err)
		require.NotNil(t, m.Event)
		events++
	}
	require.NoError(t, err)
	require.Equal(t, 39, missed+events)
}
