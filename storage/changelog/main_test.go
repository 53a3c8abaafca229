package changelog

import (
	"flag"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
