package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// rotten flips a bit in the only frames file of the table's snapshot that a run made.
func rotten(t *testing.T, h *harness.Harness, table string, run app.Run) {
	files, err := filepath.Glob(filepath.Join(h.Dir, "vault", "tables", table, "snapshots", "*_"+run.ID, "*.frames"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(files[0], b, 0o600))
}

// A restore does not fail for a snapshot that has rotted: an older one and the change log
// lead to the same commit.
func TestRestoreByAnotherWay(t *testing.T) {
	h := harness.New(t, harness.Tables("t"), harness.Offline())
	h.Put("t", "k", "one")
	first := h.Backup()
	h.Put("t", "k", "two")
	second := h.Backup()
	h.Put("t", "k", "three")
	rotten(t, h, "t", second)
	for _, req := range []app.RestoreRequest{{}, {Snapshot: second.ID}, {At: second.CutAt.Format("2006-01-02T15:04:05.999Z07:00")}} {
		req.Tables = []string{"t"}
		out, err := h.Hub().Restore(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, first.Results[0].Snapshot, out.Results[0].Snapshot, "it is the one that was used")
		require.Equal(t, "two", h.Get("t", "k"))
	}
}

// The same where a list already sees that its files are not there: of one, and of all.
func TestRestoreAroundWhatIsMissing(t *testing.T) {
	h := harness.New(t, harness.Tables("t"), harness.Offline())
	h.Put("t", "k", "one")
	first := h.Backup()
	h.Put("t", "k", "two")
	second := h.Backup()
	h.Put("t", "k", "three")
	for i, run := range []app.Run{second, first} {
		files, err := filepath.Glob(filepath.Join(h.Dir, "vault", "tables", "t", "snapshots", "*_"+run.ID, "*.frames"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		require.NoError(t, os.Remove(files[0]))
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}, Snapshot: second.ID})
		require.NoError(t, err)
		require.Equal(t, []string{first.Results[0].Snapshot, ""}[i], out.Results[0].Snapshot)
		require.Equal(t, "two", h.Get("t", "k"))
	}
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}})
	require.NoError(t, err)
	require.Empty(t, out.Results[0].Snapshot)
	require.Equal(t, "two", h.Get("t", "k"))
}

// Where nothing else leads there, whoever asked for the newest gets the newest that is
// sound, and who named the damaged one an error.
func TestRestoreTheNewestSound(t *testing.T) {
	h := harness.New(t, harness.Tables("t"), harness.Offline(), harness.Configure(func(c *app.Config) { c.LogInterval = -1 }))
	h.Put("t", "k", "one")
	first := h.Backup()
	h.Put("t", "k", "two")
	second := h.Backup()
	rotten(t, h, "t", second)
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}, Snapshot: second.ID})
	require.ErrorContains(t, err, "damaged")
	require.Equal(t, "two", h.Get("t", "k"))
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}})
	require.NoError(t, err)
	require.Equal(t, first.Results[0].Snapshot, out.Results[0].Snapshot)
	require.Equal(t, uint64(1), out.Results[0].LaterCommits)
	require.Equal(t, "one", h.Get("t", "k"))
	rotten(t, h, "t", first)
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}})
	require.ErrorContains(t, err, "damaged")
	require.Equal(t, "one", h.Get("t", "k"))
}

// When a restore is answered, the change log knows what it began from: until then only the
// restore's own hold kept that from retention.
func TestARestoreIsInTheLogWhenItIsAnswered(t *testing.T) {
	h := harness.New(t, harness.Tables("t"), harness.Offline(), harness.Configure(func(c *app.Config) { c.LogInterval = time.Hour }))
	h.Put("t", "k", "one")
	h.Backup()
	h.Put("t", "k", "two")
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"t"}})
	require.NoError(t, err)
	require.EqualValues(t, 1, out.Results[0].LaterCommits)
	list, err := h.Hub().List(t.Context(), "t")
	require.NoError(t, err)
	require.Len(t, list.Ranges, 1)
	past, err := h.Hub().TableAt(t.Context(), "t", fmt.Sprint(list.Ranges[0].To))
	require.NoError(t, err)
	defer past.Close()
	rec, err := past.Get(t.Context(), []byte("k"))
	require.NoError(t, err)
	require.Equal(t, "one", string(rec.Value), "the newest that the log has is behind the restore")
}
