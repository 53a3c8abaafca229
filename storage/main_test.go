package storage

import (
	"os"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
	"go.uber.org/goleak"
)

// TestMain looks for goroutines left behind. Badger leaves five when it fails to
// open a damaged store; those of an open store (compactors, writers) are not among
// them, so a store that was not closed is still found.
func TestMain(m *testing.M) {
	if dir := os.Getenv(damageVar); dir != "" { // a child, which damage may kill
		damageChild(dir)
		return
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/dgraph-io/badger/v4/y.(*WaterMark).process"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/badger/v4.(*DB).updateSize"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/badger/v4.(*DB).monitorCache"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2/z.(*AllocatorPool).freeupAllocators"))
}
