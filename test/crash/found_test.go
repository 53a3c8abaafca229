package crash

import (
	"context"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// The first thing after a kill may be a compaction, when the change log has not yet got
// what the kill kept from it: the compaction waits for that. It failed.
func TestCompactedRightAfterAKill(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline(), harness.Configure(func(c *app.Config) { c.LogInterval = -1 }))
	h.Put("a", "k", "v") // which is in no log
	h.Stop()
	h.Reconfigure(func(c *app.Config) { c.LogInterval = time.Hour })
	slow := h.FS.On(harness.OpSync, segment).Hold()
	h.Start()
	slow.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := h.Hub().Compact(ctx, "a")
	require.ErrorContains(t, err, "does not finish")
	slow.Lift()
	_, err = h.Hub().Compact(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "v", h.Get("a", "k"))
}
