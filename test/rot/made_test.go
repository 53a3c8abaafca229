package rot

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// recipe says how large a vault is to be.
type recipe struct {
	records, value int // of each table, and each value's bytes
	large          int // values in the value log of the table that is backed up as files
	runs           int
	imageMin       int64
	trim           bool // what no snapshot needs of the change log
}

var (
	smallVault = recipe{records: 12, value: 200, large: 1, runs: 3, imageMin: 3 << 10, trim: true}
	largeVault = recipe{records: 120, value: 400, large: 2, runs: 6, imageMin: 24 << 10}
)

// make makes a vault with snapshots of every kind (records, files with pool, an earlier
// one and the change log), run records, proofs, removals, and a change log of merged and
// other segments.
func (r recipe) make(t testing.TB) *tree {
	h := harness.New(t, harness.Tables("records", "files", "chain"), harness.Offline(), harness.Configure(func(c *app.Config) {
		c.Keep, c.DrillEvery, c.ScrubEvery = r.runs-1, -1, -1
		c.LogInterval = time.Hour // what is shipped, backups ship
		c.Hooks.Vault = func(o *vault.Options) { o.ImageMin, o.ChainMin = r.imageMin, r.imageMin }
	}))
	rng := rand.New(rand.NewPCG(1, 2))
	put := func(table string, from, n, size int) {
		for i := range n {
			h.Put(table, fmt.Sprintf("key-%05d", from+i), text(rng, size))
		}
	}
	// Two of them grow tables of Badger's, and one of those stays too small for files.
	put("files", r.records, r.large, large) // first: the last commit before a restart is in the tail, too
	put("files", 0, r.records, r.value)
	put("chain", 0, 4*r.records, r.value)
	h.Restart()
	put("records", 0, r.records/2, r.value)
	for run := range r.runs {
		h.Backup()
		if run == 1 {
			_, err := h.Hub().Drill(t.Context())
			require.NoError(t, err)
		}
		put("records", run, 2, r.value) // over old ones
		put("files", run, r.records/4, r.value)
		put("chain", run, 1, 20)
	}
	h.Stop()
	dir := filepath.Join(h.Dir, "vault")
	r.tend(t, dir)
	return load(t, dir)
}

// tend merges and trims the change log.
func (r recipe) tend(t testing.TB, dir string) {
	ro, err := vault.OpenReadOnly(disk.OS, dir)
	require.NoError(t, err)
	v, err := vault.Open(disk.OS, dir, ro.Owner(), vault.Options{})
	require.NoError(t, err)
	done, err := v.Log().Merge(ctx, changelog.MergeOptions{Fanout: 2, MaxBytes: 1 << 20})
	require.NoError(t, err)
	require.True(t, done)
	if r.trim {
		removed, err := v.TrimLog(ctx, 1, time.Nanosecond)
		require.NoError(t, err)
		require.NotEmpty(t, removed)
	}
	require.NoError(t, v.Close())
}

// text is of letters, hardly compressible.
func text(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + rng.IntN(90))
	}
	return string(b)
}

// large is a size that Badger puts into the value log.
const large = 32 << 10
