package bus

import (
	"testing"

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
