package vault

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// What was replaced by a link is a problem, even where the link leads to the very same
// bytes: it is not in the vault.
func TestLinksAreReported(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights there")
	}
	v, s := damageVault(t)
	away := t.TempDir()
	for name, path := range map[string]string{"snapshot": s.Path, "manifest": filepath.Join(s.Path, manifestName),
		"frames": filepath.Join(s.Path, "000001.frames"), "run": v.path(runsName, nameAt(1)+".json"), "table": v.path(tablesName, "t"), "all": v.path(tablesName)} {
		elsewhere := filepath.Join(away, name)
		require.NoError(t, os.Rename(path, elsewhere))
		require.NoError(t, os.Symlink(elsewhere, path))
		named(t, v, problems(t, v), path)
		if name == "snapshot" {
			require.NotContains(t, listed(t, v, "t"), s.Name)
		}
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.Rename(elsewhere, path))
		clean(t, v)
	}
}
