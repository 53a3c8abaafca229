package upgrade

import (
	"encoding/json"
	"flag"
	"fmt"
	"github.com/brockdb/brock/test/extent"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/app"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

var writeFlag = flag.Bool("write", false, "make this release's archives")

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestEveryRelease does with every archive what its owner would after an upgrade.
func TestEveryRelease(t *testing.T) {
	if *writeFlag {
		write(t)
	}
	archives := sorted(t)
	require.Contains(t, archives, filepath.Join("testdata", app.Release, "closed.tar.zst"), "make this release's archives with -args -write")
	for _, archive := range archives {
		t.Run(archive, func(t *testing.T) { use(t, archive) })
	}
}

func use(t *testing.T, archive string) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	unpack(t, archive, dir)
	var acc account
	b, err := os.ReadFile(filepath.Join(dir, "account.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &acc))

	h, err := app.Open(ctx, config(dir))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(ctx)) }()
	now, err := contents(ctx, h)
	require.NoError(t, err)
	last := acc.Moments[len(acc.Moments)-1]
	require.Equal(t, last.Tables, now, "the live tables")
	clean(t, h)
	list, err := h.List(ctx)
	require.NoError(t, err)
	require.Empty(t, list.Problems)

	hasAllKinds(t, dir, list)

	for i, m := range extent.Of(acc.Moments, 4, 0) {
		to := filepath.Join(dir, fmt.Sprintf("at-%d", i))
		if m.Version < oldest(list) {
			continue
		}
		_, err := h.Restore(ctx, app.RestoreRequest{All: true, At: fmt.Sprint(uint64(m.Version)), To: to})
		require.NoError(t, err, "moment %d", i)
		require.Equal(t, m.Tables, elsewhere(t, to), "moment %d", i)
	}
	for _, s := range extent.Of(list.Snapshots, 4, 0) {
		out, err := h.Restore(ctx, app.RestoreRequest{Tables: []string{s.Table}, Snapshot: s.Name})
		require.NoError(t, err, "%s %s", s.Table, s.Name)
		require.Equal(t, s.Records, out.Results[0].Records)
	}
	_, err = h.Restore(ctx, app.RestoreRequest{All: true, At: fmt.Sprint(uint64(last.Version))})
	require.NoError(t, err)
	now, err = contents(ctx, h)
	require.NoError(t, err)
	require.Equal(t, last.Tables, now, "taken back to the last moment, in place")

	l := &life{h: h, n: 9, acc: &acc}
	require.NoError(t, l.work(), "life goes on")
	drill, err := h.Drill(ctx)
	require.NoError(t, err)
	require.Empty(t, drill.Problems)
	clean(t, h)
}

// hasAllKinds keeps an archive from proving less than it seems to.
func hasAllKinds(t *testing.T, dir string, list app.Listing) {
	chains := 0
	for _, s := range list.Snapshots {
		if s.Base != "" {
			chains++
		}
	}
	require.Positive(t, chains, "a snapshot that goes by the change log")
	for _, pattern := range []string{"vault/tables/small/snapshots/*/*.frames", "vault/tables/large/pool/*.sst", "vault/tables/large/pool/*.vlog",
		"vault/log/*.log", "vault/proofs/*", "vault/removals/*", "vault/runs/*", "data/compactions.json", "data/credentials.json", "data/jetstream"} {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
	}
}

func clean(t *testing.T, h *app.Hub) {
	report, err := h.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.Positive(t, report.Checked)
}

// oldest is from where on the whole hub can be restored.
func oldest(list app.Listing) (v app.Version) {
	for _, r := range list.Ranges {
		v = max(v, r.From)
	}
	return v
}

// elsewhere is what a data directory holds that nobody serves.
func elsewhere(t *testing.T, dir string) map[string]content {
	h, err := app.Open(t.Context(), app.Config{Data: dir, Vault: dir + "-vault", Offline: true, LogInterval: -1, MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(t.Context())) }()
	all, err := contents(t.Context(), h)
	require.NoError(t, err)
	return all
}
