// Package metrics looks at a hub as Prometheus does: what it scrapes, and what the
// dashboard and the alert rules in contrib make of it.
package metrics

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape returns the body of a scrape.
func scrape(t *testing.T, h *app.Hub) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.Metrics().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, w.Code, w.Body.String())
	return w.Body.String()
}

// figures returns a scrape's samples by name and labels, as the text has them.
func figures(t *testing.T, h *app.Hub) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for line := range strings.Lines(scrape(t, h)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(value, 64)
		require.True(t, ok && err == nil, line)
		out[name] = v
	}
	return out
}

func TestWhatHappensIsCounted(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	before := figures(t, h.Hub())
	for name, want := range map[string]float64{
		`brock_commits_total{table="a"}`: 0, `brock_writes_total{table="a"}`: 0, `brock_backup_runs_total{status="complete"}`: 0,
		`brock_backup_runs_total{status="failed"}`: 0, `brock_recoveries_total{outcome="restored"}`: 0, `brock_corruptions_total{table="a"}`: 0,
		`brock_last_snapshot_timestamp_seconds{table="a"}`: 0, `brock_last_proof_timestamp_seconds{table="b"}`: 0, `brock_last_backup_timestamp_seconds`: 0,
		`brock_table_up{table="a"}`: 1, `brock_health_status{status="warning"}`: 1, `brock_health_status{status="ok"}`: 0, `brock_bus_connected`: 1,
		`brock_table_records{table="a"}`: 0, `brock_changelog_broken`: 0,
	} {
		got, is := before[name]
		require.True(t, is, "%s is there from the start", name)
		require.Equal(t, want, got, name)
	}

	h.Put("a", "1", "one")
	h.Put("a", "2", "two")
	_, err := h.Table("a").Create(t.Context(), []byte("1"), nil)
	require.ErrorIs(t, err, app.ErrConflict)
	began := time.Now()
	h.Backup()
	_, err = h.Hub().Drill(t.Context())
	require.NoError(t, err)
	_, err = h.Hub().Verify(t.Context())
	require.NoError(t, err)
	_, err = h.Hub().Compact(t.Context(), "a")
	require.NoError(t, err)
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
	require.NoError(t, err)
	fault := h.TableProbe("b").On(harness.Flush).Refuse(errors.New("refused"))
	_, err = h.Hub().Backup(t.Context())
	require.Error(t, err)
	_, err = h.Hub().Backup(t.Context(), "b")
	require.Error(t, err)
	fault.Lift()

	after := figures(t, h.Hub())
	for name, want := range map[string]float64{
		`brock_commits_total{table="a"}`: 2, `brock_writes_total{table="a"}`: 2, `brock_commit_duration_seconds_count{table="a"}`: 2,
		`brock_backup_runs_total{status="complete"}`: 1, `brock_backup_runs_total{status="partial"}`: 1, `brock_backup_runs_total{status="failed"}`: 1,
		`brock_backup_table_errors_total{table="b"}`: 2, `brock_backup_table_errors_total{table="a"}`: 0, `brock_backup_duration_seconds_count`: 3,
		`brock_cut_pause_seconds_count{table="a"}`: 2, `brock_drills_total{status="ok"}`: 1, `brock_verifies_total{status="ok"}`: 1,
		`brock_compactions_total{status="complete"}`: 1, `brock_recoveries_total{outcome="restored"}`: 1, `brock_recoveries_total{outcome="failed"}`: 0,
		`brock_table_records{table="a"}`: 2, `brock_table_live_bytes{table="a"}`: 8, `brock_table_queue_depth{table="a"}`: 0,
	} {
		require.Equal(t, want, after[name], name)
	}
	for _, name := range []string{`brock_last_backup_timestamp_seconds`, `brock_last_snapshot_timestamp_seconds{table="a"}`,
		`brock_last_proof_timestamp_seconds{table="a"}`, `brock_last_compaction_timestamp_seconds`, `brock_lookup_timestamp_seconds`} {
		require.InDelta(t, began.Unix(), after[name], 60, name)
	}
	for _, name := range []string{`brock_backup_bytes_total`, `brock_table_file_bytes{table="a"}`, `brock_disk_free_bytes{dir="vault"}`,
		`brock_disk_size_bytes{dir="data"}`, `process_resident_memory_bytes`, `go_goroutines`} {
		require.Positive(t, after[name], name)
	}
}

// A counter of a table that does not serve says nothing; that it does not is told.
func TestATableThatIsDown(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	h.Put("a", "k", "v")
	h.Backup()
	h.Stop()
	h.LoseTable("a")
	h.Start()
	got := figures(t, h.Hub())
	require.Zero(t, got[`brock_table_up{table="a"}`])
	require.Equal(t, 1.0, got[`brock_table_up{table="b"}`])
	require.Equal(t, 1.0, got[`brock_table_status{table="a",status="unavailable"}`]+got[`brock_table_status{status="unavailable",table="a"}`])
	require.Equal(t, 1.0, got[`brock_health_status{status="unhealthy"}`])
	require.NotContains(t, got, `brock_table_records{table="a"}`, "none would be a figure")
	require.Positive(t, got[`brock_last_snapshot_timestamp_seconds{table="a"}`], "its snapshots are there")
}

// A vault whose disk hangs keeps a scrape back for a moment only, and writes not at all.
func TestAVaultThatHangs(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Put("a", "1", "v")
	h.Backup()
	before := figures(t, h.Hub())
	cut := before[`brock_last_snapshot_timestamp_seconds{table="a"}`]
	require.Positive(t, cut)
	hang := h.FS.On(harness.OpReadDir, "vault/*").Hold()
	_, err := h.Hub().Compact(t.Context()) // whatever happens makes the next scrape look again
	require.NoError(t, err)
	h.Put("a", "2", "v")
	got := figures(t, h.Hub())
	hang.Wait() // it has looked
	require.LessOrEqual(t, got["brock_lookup_timestamp_seconds"], before["brock_lookup_timestamp_seconds"]+5, "it did not look")
	require.Equal(t, 1.0, got[`brock_health_status{status="warning"}`])
	require.Equal(t, cut, got[`brock_last_snapshot_timestamp_seconds{table="a"}`], "what was known before")
	require.Equal(t, 2.0, got[`brock_commits_total{table="a"}`], "and what is known without the disk")
	require.Equal(t, 1.0, got[`brock_compactions_total{status="complete"}`])
	hang.Lift()
}

// A vault that cannot be read is not one without snapshots.
func TestAVaultThatCannotBeRead(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.FakeClock(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
	h.Put("a", "1", "v")
	h.Backup()
	before := figures(t, h.Hub())
	h.Advance(time.Hour)
	fault := h.FS.On(harness.OpReadDir, "vault/tables/*").Fail(syscall.EIO)
	_, err := h.Hub().Compact(t.Context())
	require.NoError(t, err)
	got := figures(t, h.Hub())
	for _, name := range []string{`brock_last_snapshot_timestamp_seconds{table="a"}`, "brock_last_backup_timestamp_seconds", "brock_lookup_timestamp_seconds"} {
		require.Positive(t, got[name])
		require.Equal(t, before[name], got[name], name)
	}
	fault.Lift()
}

// Commits that fail are counted apart, and their time is in no histogram.
func TestACommitThatFails(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	free := h.DiskFull()
	_, err := h.Table("a").Put(t.Context(), []byte("k"), []byte("v"))
	require.Error(t, err)
	free()
	got := figures(t, h.Hub())
	require.Equal(t, 1.0, got[`brock_commit_errors_total{table="a"}`])
	require.Zero(t, got[`brock_commits_total{table="a"}`])
}

func TestTwoHubsOfAProcessAreApart(t *testing.T) {
	one := harness.New(t, harness.Parallel(), harness.Tables("a"), harness.Configure(func(c *app.Config) { c.Name = "one" }))
	two := harness.New(t, harness.Parallel(), harness.Tables("a"), harness.Configure(func(c *app.Config) { c.Name = "two" }))
	one.Put("a", "k", "v")
	require.Equal(t, 1.0, figures(t, one.Hub())[`brock_commits_total{table="a"}`])
	require.Zero(t, figures(t, two.Hub())[`brock_commits_total{table="a"}`])
	require.Contains(t, scrape(t, one.Hub()), `hub="one"`)
	require.Contains(t, scrape(t, two.Hub()), `hub="two"`)
}

// An embedder may scrape a hub without NATS and change log, and one that is closed.
func TestHubsThatLackSomething(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline(), harness.Configure(func(c *app.Config) { c.LogInterval = -1 }))
	h.Put("a", "k", "v")
	got := figures(t, h.Hub())
	require.Equal(t, 1.0, got[`brock_commits_total{table="a"}`])
	for _, name := range []string{"brock_bus_connected", "brock_changelog_waiting_bytes", "brock_changelog_broken", "brock_next_backup_timestamp_seconds"} {
		require.NotContains(t, got, name)
	}
	hub := h.Hub()
	h.Stop()
	require.Zero(t, figures(t, hub)[`brock_table_up{table="a"}`])
}

func TestWhenTheNextRunIs(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	h := harness.New(t, harness.Tables("a"), harness.Schedule("@every 1h"), harness.FakeClock(noon))
	require.EqualValues(t, noon.Add(time.Hour).Unix(), figures(t, h.Hub())["brock_next_backup_timestamp_seconds"])
	h.Put("a", "k", "v")
	h.Backup()
	got := figures(t, h.Hub())
	require.EqualValues(t, noon.Unix(), got[`brock_last_snapshot_timestamp_seconds{table="a"}`])
	require.EqualValues(t, noon.Unix(), got[`brock_last_backup_timestamp_seconds`])
	require.InDelta(t, noon.Unix(), got[`brock_changelog_complete_timestamp_seconds`], 1)
}

// Prometheus asks the hub's listener with the viewer's token.
func TestOverHTTP(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Configure(func(c *app.Config) { c.HTTPAddr = "127.0.0.1:0" }))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", h.Hub().HTTPURL()+"/metrics", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	viewer, _ := h.Hub().Credentials().Role(app.Viewer)
	status, body := ask(viewer.Token)
	require.Equal(t, 200, status)
	require.Contains(t, body, `brock_table_up{table="a"} 1`)
	require.NotContains(t, body, viewer.Token)
	status, body = ask("wrong")
	require.Equal(t, 401, status)
	require.NotContains(t, body, "brock_table_up")
}
