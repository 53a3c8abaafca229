package rot

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// held is what tables hold: of each its keys and their values.
type held map[string]map[string]string

// past is every value that a key ever had, of each table.
type past map[string]map[string][]string

// known is what a child is told of the tables.
type known struct {
	Want held
	Past past
}

// hubs are the directory of a hub at three moments, and what its tables hold at the last
// two. One table has tables of Badger's, a value log and commits in memtables only, one
// was healed and so has two stores, and one is only there to serve.
type hubs struct {
	older   image // for stale copies
	killed  image // as a kill leaves it
	stopped image // after a good end
	known
}

func makeHubs(t *testing.T) hubs {
	// Backups ship the change log; so it has all when the directory is copied.
	h := harness.New(t, harness.Tables("hurt", "moved", "well"))
	rng := rand.New(rand.NewPCG(*seed, 1))
	want, was := held{"hurt": {}, "moved": {}, "well": {}}, past{"hurt": {}, "moved": {}, "well": {}}
	put := func(table string, from, n int) {
		for i := range n {
			key, size := fmt.Sprintf("key-%04d", from+i), 50+rng.IntN(300)
			if i%25 == 7 {
				size = large + rng.IntN(5000)
			}
			want[table][key] = text(rng, size)
			was[table][key] = append(was[table][key], want[table][key])
			h.Put(table, key, want[table][key])
		}
	}
	put("hurt", 0, 80)
	put("moved", 0, 20)
	put("well", 0, 5)
	h.Backup()
	h.Restart() // flushes
	put("hurt", 60, 40)
	h.Backup()
	older := copyOf(t, h.Dir)
	h.Damage("moved", want["moved"]["key-0003"])
	_, err := h.Table("moved").Get(t.Context(), []byte("key-0003"))
	require.ErrorIs(t, err, app.ErrDamaged)
	h.AwaitServing("moved")
	require.Equal(t, want["moved"]["key-0003"], h.Get("moved", "key-0003"))
	_, err = h.Hub().Compact(t.Context(), "well")
	require.NoError(t, err)
	_, err = h.Hub().Scrub(t.Context())
	require.NoError(t, err)
	for i := range 10 {
		key := fmt.Sprintf("key-%04d", 3*i)
		_, err := h.Table("hurt").Delete(t.Context(), []byte(key))
		require.NoError(t, err)
		delete(want["hurt"], key)
	}
	put("hurt", 90, 40)
	put("moved", 10, 20)
	h.Backup()
	h.Restart()
	put("hurt", 120, 30)
	h.Backup()
	killed := copyOf(t, h.Dir)
	h.Stop()
	return hubs{older: older, killed: killed, stopped: copyOf(t, h.Dir), known: known{want, was}}
}

// copyOf is the directory now; nothing is written meanwhile.
func copyOf(t *testing.T, dir string) image { return imageOf(t, dir) }

// write makes the directory, with what the tables hold beside it.
func (hs hubs) write(t *testing.T, im image) string {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	require.NoError(t, err)
	im.write(t, dir)
	b, err := json.Marshal(hs.known)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "want.json"), b, 0o600))
	return dir
}

// hubConfig is the hub's in a child.
func hubConfig(dir string) app.Config {
	return app.Config{Data: filepath.Join(dir, "data"), Vault: filepath.Join(dir, "vault"), Schedule: "off", MinFree: -1,
		LogInterval: 50 * time.Millisecond, DrillEvery: -1, ScrubEvery: -1, CompactEvery: -1}
}
