package harness_test

import (
	"testing"

	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
)

func TestMain(m *testing.M) { harness.Main(m) }
