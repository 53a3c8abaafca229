package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// What comes and goes is no turn; what stays is one, once, in both directions.
func TestTurns(t *testing.T) {
	ok := Health{Status: HealthOK}
	full := func(n int) Health {
		return Health{Status: HealthWarning, Conditions: []string{fmt.Sprintf("disk %d %% full", n)}}
	}
	both := Health{Status: HealthWarning, Conditions: []string{"disk 91 % full", "table t1 is unavailable: closed 12"}}
	down := Health{Status: HealthUnhealthy, Conditions: both.Conditions}
	s := &turns{Status: HealthOK}
	for i, step := range []struct {
		now    Health
		turned bool
	}{
		{ok, false}, {full(91), false}, {ok, false}, {full(91), false}, // a blip
		{full(92), true}, {full(93), false}, {full(94), false}, // it stays, and other figures are the same
		{both, false}, {both, true}, {both, false}, // something new
		{full(91), false}, {both, false}, {full(91), false}, // which flickers
		{down, false}, {down, true}, {full(91), false}, {down, false},
		{ok, false}, {ok, false}, {ok, false}, {ok, false}, {ok, true}, {ok, false}, // well again, for long enough
		{full(91), false}, {full(91), true},
	} {
		require.Equal(t, step.turned, s.look(step.now), "look %d", i)
	}
	require.Equal(t, []string{"disk # % full", "table t1 is unavailable"}, kindsOf(both.Conditions))
	require.Equal(t, []string{"table degraded: a", "table degraded: b"}, kindsOf([]string{"table degraded: b: 1", "table degraded: a: 2"}))
	require.Equal(t, []string{"change log has a break since # until the next backup"},
		kindsOf([]string{"change log has a break since 2026-11-24T01:02:03Z, until the next backup: a"}))
}
