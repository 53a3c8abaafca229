package harness_test

import (
	"testing"

	"github.com/brockdb/brock/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
