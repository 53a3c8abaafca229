// Package linear records what many clients do with a table at once, and has porcupine
// find an order of it that a plain map would give the same answers in: one that
// contradicts no clock. Backups, restores, compactions, crashes of the actor, restarts
// and kills come between.
package linear

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
)

var (
	seeds   = flag.Int("seeds", 3, "histories with crashes and restarts to check, of each table")
	kills   = flag.Int("kills", 1, "histories of hubs whose process is killed")
	first   = flag.Uint64("seed", 1, "the first seed")
	folder  = flag.String("html", "", "where the picture of a history goes that fails; default a new temporary folder")
	patient = flag.Duration("patience", time.Minute, "how long to look for an order of one history")
)

func TestMain(m *testing.M) {
	if told := os.Getenv(childVar); told != "" {
		os.Exit(child(told))
	}
	harness.Main(m)
}
