package vault

import (
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
