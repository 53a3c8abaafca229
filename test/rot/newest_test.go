package rot

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// The newest segments of the change log that go while no hub runs, after the last run, are
// what verify cannot miss. The next start ships what they held again, from the stores.
func TestNewestSegmentsGo(t *testing.T) {
	h := harness.New(t, harness.Tables("t"), harness.Offline(), harness.Configure(func(c *app.Config) { c.LogInterval = time.Millisecond }))
	h.Put("t", "a", "1")
	h.Backup()
	h.Put("t", "b", "2")
	h.Stop() // which ships the rest
	segments, err := filepath.Glob(filepath.Join(h.Dir, "vault", "log", "*.log"))
	require.NoError(t, err)
	require.Greater(t, len(segments), 1)
	require.NoError(t, os.Remove(slices.Max(segments)))
	h.Start()
	h.Put("t", "c", "3")
	rep, err := h.Hub().Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}, At: app.Latest})
	require.NoError(t, err)
	require.Zero(t, out.Results[0].LaterCommits)
	for key, value := range map[string]string{"a": "1", "b": "2", "c": "3"} {
		require.Equal(t, value, h.Get("t", key))
	}
}
