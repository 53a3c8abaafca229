package agenthub_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMailWaitsUntilItIsDone(t *testing.T) {
	w := newWorld(t)
	for i := 1; i <= 3; i++ {
		m := must[message](w, "agents.mail.send", message{From: "ann", To: "bob", Body: fmt.Sprint("mail ", i)})
		require.EqualValues(t, i, m.N)
	}
	must[message](w, "agents.mail.send", message{From: "ann", To: "bobby", Body: "not for bob"})
	read := func(done ...uint64) []message {
		t.Helper()
		return must[[]message](w, "agents.mail.read", reading{Agent: "bob", Done: done})
	}
	require.Len(t, read(), 3)
	require.Len(t, read(), 3, "reading removes nothing")
	left := read(1, 3)
	require.Len(t, left, 1)
	require.Equal(t, "mail 2", left[0].Body)
	require.Empty(t, read(2))
	require.Len(t, stored[message](w, "message_history"), 4)
	m := must[message](w, "agents.mail.send", message{From: "ann", To: "bob", Body: "again"})
	require.EqualValues(t, 4, m.N, "numbers are not used twice")
}

// Many agents post at once, each one's posts in its order, into one history without
// holes that can be read piece by piece.
func TestHistoryIsInOrder(t *testing.T) {
	w := newWorld(t)
	const agents, posts = 8, 15
	var wg sync.WaitGroup
	for a := range agents {
		wg.Go(func() {
			for i := range posts {
				if _, err := ask[message](w, "agents.channel.post", message{From: fmt.Sprint("agent-", a), To: "general", Body: fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	var after uint64
	for {
		piece := must[[]message](w, "agents.channel.history", reading{Channel: "general", After: after})
		if len(piece) == 0 {
			break
		}
		for _, m := range piece {
			require.Equal(t, after+1, m.N)
			require.Equal(t, fmt.Sprint(next[m.From]), m.Body, m.From)
			after = m.N
			next[m.From]++
		}
	}
	require.EqualValues(t, agents*posts, after)
	require.Len(t, stored[message](w, "agent_channels"), 1)
	require.Empty(t, must[[]message](w, "agents.channel.history", reading{Channel: "gene"}), "another channel")
}
