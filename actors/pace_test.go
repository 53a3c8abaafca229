package actors

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A run without a rate of its own lets bytes through at once while nobody writes, and at
// a pace while somebody does.
func TestARunGivesWayToWriters(t *testing.T) {
	r := newRig(t, nil, "a")
	pace := r.Backup().b.pace()
	const much = 10 * shyRate
	require.Eventually(t, func() bool { return time.Since(r.cfg.Clock.Last().Time()) > 2*shyFor }, waitFor, tick)
	require.NoError(t, pace(t.Context(), much), "nobody writes")

	r.put("a", "k", "v")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.Error(t, pace(ctx, much), "it would take longer than there is time")
}
