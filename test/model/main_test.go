// Package model holds a whole hub to a model, under all that can happen to it.
//
// A seed makes up a life: tables are written, backed up, compacted, restored to any
// moment, killed and lost, the wall clock jumps, and the vault goes away, comes back
// or is put back to what it was. After every step the tables equal the model, and so
// does every moment of the past that the vault can still restore; what it refuses it
// must have the right to refuse.
//
//	go test ./test/model -args -seeds 1000        # a long run
//	go test ./test/model -args -seed 123 -v       # one again
//
// A seed makes up the same steps again, and the same writes as far as their outcome is
// the same. Where a kill meets the hub, and how its background work lies beside the
// steps, the machine decides: a failure that needs such a moment may take a few runs.
package model

import (
	"flag"
	"os"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
)

var (
	seeds = flag.Int("seeds", 0, "how many lives to live through; 0: the one of -seed")
	seed  = flag.Uint64("seed", 0, "the seed of the first, or only, one")
	steps = flag.Int("steps", 25, "how long a life is")
)

func TestMain(m *testing.M) {
	if told := os.Getenv(childVar); told != "" {
		child(told)
		return
	}
	os.Exit(m.Run())
}
