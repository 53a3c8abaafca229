package past

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func (w *world) store() string {
	found, err := filepath.Glob(filepath.Join(w.dir, "tables", "a", "store", "2*"))
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	return found[0]
}

// TestLostTailComesBack gives a table an older state of its files, as a disk that
// forgot its last writes would. Whether the witness notices or only the change log
// does: the commits come back from the log.
func TestLostTailComesBack(t *testing.T) {
	for _, keepWitness := range []bool{true, false} {
		w := newWorld(t, 5)
		w.write(50)
		w.close()
		older := filepath.Join(t.TempDir(), "older")
		require.NoError(t, os.CopyFS(older, os.DirFS(w.store())))
		w.open()
		w.write(70)
		w.close()
		witness, err := os.ReadFile(filepath.Join(w.store(), "WITNESS"))
		require.NoError(t, err)
		dir := w.store()
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.CopyFS(dir, os.DirFS(older)))
		if keepWitness {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "WITNESS"), witness, 0o600))
		}
		w.open()
		require.Equal(t, w.state, w.contents())
		w.write(10)
		w.close()
		w.open()
		require.Equal(t, w.state, w.contents())
	}
}
