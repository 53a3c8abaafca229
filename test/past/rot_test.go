package past

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// rot flips a bit in the middle of each file that the pattern finds.
func rot(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		content[len(content)/2] ^= 1
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}
}

// Snapshots share files. When some have rotted, and that was noticed, the next snapshot
// neither goes on from a snapshot that needs them nor relies on their being there: it
// copies the live table's files anew, and with them older snapshots are whole again.
func TestWhatRottedIsCopiedAnew(t *testing.T) {
	for name, notice := range map[string]func(w *world){
		"verify": func(w *world) { _, err := w.hub.Verify(t.Context()); require.Error(t, err) },
		"drill":  func(w *world) { _, err := w.hub.Drill(t.Context(), "a"); require.Error(t, err) },
		"restore": func(w *world) { // which goes around it, by the log alone
			_, err := w.hub.Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest, To: t.TempDir()})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 4_000
			w := newWorld(t, 3, func(c *app.Config) {
				c.Hooks.Vault = func(o *vault.Options) { o.ImageMin, o.ChainMin = 1, 1 }
			})
			w.bulk(n)
			w.close() // all lies in files
			w.open()
			backup := func() app.Result {
				run, err := w.hub.Backup(t.Context(), "a")
				require.NoError(t, err)
				return run.Results[0]
			}
			first := backup()
			w.touch(10, n)
			require.Less(t, backup().NewSize, first.NewSize/10, "it goes on from the first")
			_, err := w.hub.Drill(t.Context(), "a")
			require.NoError(t, err)
			rot(t, filepath.Join(w.dir, "vault", "tables", "a", "pool", "*.sst"))
			notice(w)
			list, err := w.hub.List(t.Context(), "a")
			require.NoError(t, err)
			for _, s := range list.Snapshots {
				require.Nil(t, s.ProvenAt, "whatever was proven before")
			}
			w.touch(10, n)
			last := backup()
			require.Positive(t, last.NewSize, "it stands by itself")
			rep, err := w.hub.Verify(t.Context())
			require.NoError(t, err)
			require.Empty(t, rep.Problems)
			w.touch(10, n)
			require.Less(t, backup().NewSize, first.NewSize/10)
			drill, err := w.hub.Drill(t.Context(), "a")
			require.NoError(t, err)
			require.Empty(t, drill.Problems)
			out := w.restore(app.RestoreRequest{Snapshot: first.Snapshot})
			require.EqualValues(t, n, out.Records)
		})
	}
}
