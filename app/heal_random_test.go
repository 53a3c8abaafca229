package app_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// Bytes of live stores are flipped at random while they are written to: in tables, value
// logs and memtables. Whatever is read is right or an error, and in the end the table
// has what was acknowledged.
func TestRandomDamage(t *testing.T) {
	const seed = 20261124
	rng := rand.New(rand.NewPCG(seed, 1))
	h := harness.New(t, harness.Tables("a", "b"), harness.FakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)))
	w, other := h.Workload("a", seed), h.Workload("b", seed)
	w.Run(300)
	h.Restart() // so that there are tables
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		h.Advance(2 * time.Hour) // the recoveries of an hour are counted
		w.Run(40)
		other.Run(5)
		switch rng.IntN(3) {
		case 0:
			h.Backup()
		case 1:
			h.Restart() // damage that no scrub sees may be in its way
			h.AwaitServing("a")
		}
		var load sync.WaitGroup
		load.Go(func() { w.Run(40) })
		for range 1 + rng.IntN(3) {
			flipAny(t, rng, h.StoreFiles("a", "*"))
		}
		load.Wait()
		for i := 0; ; i++ {
			require.Less(t, i, 10, "the table does not come back")
			h.AwaitServing("a")
			if _, err := h.Hub().Scrub(t.Context(), "a"); err == nil {
				break
			}
		}
		w.Check()
		other.Check()
	}
	for _, e := range h.Events() {
		if e.Type == app.RecoveryComplete {
			require.Empty(t, recovery(t, e).Missing)
		}
		require.NotEqual(t, app.RecoveryFailed, e.Type)
	}
}

// flipAny flips a bit somewhere in the used part of one of the data files.
func flipAny(t *testing.T, rng *rand.Rand, files []string) {
	file := files[rng.IntN(len(files))]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	used := len(bytes.TrimRight(b, "\x00"))
	switch filepath.Ext(file) {
	case ".sst", ".vlog", ".mem":
	default:
		return
	}
	if used < 100 {
		return
	}
	at := 40 + rng.IntN(used-40)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{b[at] ^ 1<<rng.IntN(8)}, int64(at))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
