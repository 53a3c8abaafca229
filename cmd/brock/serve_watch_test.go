package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelaysOfRestarts(t *testing.T) {
	var got []time.Duration
	delay := time.Duration(0)
	for range 11 {
		delay = nextDelay(delay, time.Second)
		got = append(got, delay)
	}
	require.Equal(t, 100*time.Millisecond, got[0])
	require.Equal(t, 200*time.Millisecond, got[1])
	require.Equal(t, 25600*time.Millisecond, got[8])
	require.Equal(t, 30*time.Second, got[10])
	require.Equal(t, 100*time.Millisecond, nextDelay(delay, time.Minute))
}

// What is restarted: ends that nobody asked for, and failures to start again.
func TestWhichEndsAreFinal(t *testing.T) {
	for _, x := range []struct {
		name  string
		end   ending
		first bool
		code  int
		final bool
	}{
		{"stopped", ending{code: 100, asked: true}, false, 0, true},
		{"stopped by its pid", ending{code: 100}, false, 0, true},
		{"wrong usage", ending{code: 102}, false, 2, true},
		{"cannot start", ending{code: 101}, true, 1, true},
		{"cannot start again", ending{code: 101}, false, 1, false},
		{"did not stop well", ending{code: 101, asked: true}, false, 1, true},
		{"panic", ending{code: 2}, true, 1, false},
		{"log.Fatal", ending{code: 1}, true, 1, false},
		{"killed", ending{code: -1}, true, 1, false},
		{"killed while it stopped", ending{code: -1, asked: true}, false, 1, true},
	} {
		code, final := x.end.final(x.first)
		require.Equal(t, x.final, final, x.name)
		if final {
			require.Equal(t, x.code, code, x.name)
		}
	}
}

func TestTheChildDoesNotWatch(t *testing.T) {
	c := &cli{args: []string{"serve", "--watch", "--data", "d", "--watch=true"}}
	require.Equal(t, []string{"serve", "--data", "d"}, c.childArgs())
}
