// Package rot damages what Brock has on the disk, bit by bit and file by file, and looks
// whether that is found: in the vault (TestEveryBit, TestSampled), and in the stores and
// Brock's own files of a hub (TestLiveStores).
package rot

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
)

var (
	seed    = flag.Uint64("seed", 20261201, "seed of all that is made up")
	first   = flag.Int("first", 0, "index of the first mutation; with the seed it makes that mutation again")
	stride  = flag.Int("stride", 3989, "every how many bits of the small vault are flipped; 1 flips them all")
	only    = flag.String("only", "", "flip bits only of files whose names have this in them")
	sampled = flag.Int("sampled", 60, "how many mutations of the large vault to make up")
	lives   = flag.Int("live", 3, "how many times to damage the directory of a hub")
	kept    = flag.String("vault", "", "directory of the vault to damage, in place of a new one: one that a failure has kept")
	restore = flag.Int("restore", 10, "of how many sampled mutations one is restored from, too")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	if os.Getenv(childVar) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}
