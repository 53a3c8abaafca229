package soak

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	forFlag  = flag.Duration("for", 3*time.Second, "how long the hub is disturbed while it works")
	calmFlag = flag.Duration("calm", 0, "how long it only works before that; default a twelfth")
	rateFlag = flag.Float64("rate", 1000, "transactions a second")
	killFlag = flag.Duration("kill", 0, "how long a life lasts in the mean; default a tenth of the time")
	seedFlag = flag.Uint64("seed", 0, "seed of what happens when; 0 takes one from the clock")
	outFlag  = flag.String("out", "", "folder for the picture and the figures; default none")
)

func TestMain(m *testing.M) {
	if told := os.Getenv(childVar); told != "" {
		child(told)
		return
	}
	os.Exit(m.Run())
}

// TestSoak is short by default; see the package's documentation.
func TestSoak(t *testing.T) {
	if *seedFlag == 0 {
		*seedFlag = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seedFlag)
	calm, life := *calmFlag, *killFlag
	if calm == 0 {
		calm = *forFlag / 12
	}
	if life == 0 {
		life = max(*forFlag/10, 5*time.Second)
	}
	s := &soak{t: t, rng: rand.New(rand.NewPCG(*seedFlag, 3)), dir: t.TempDir(), began: time.Now(), looked: make(chan look, 1)}
	s.start()
	s.phase("calm", calm, nil)
	s.phase("soak", *forFlag, s.troubles(*forFlag, life))
	s.last()
	s.finish()
	r := s.report()
	t.Log(r.String())
	if *outFlag != "" {
		require.NoError(t, os.MkdirAll(*outFlag, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(*outFlag, "soak.svg"), []byte(s.picture()), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(*outFlag, "soak.txt"), fmt.Appendln(nil, r.String()), 0o600))
	}
	require.Positive(t, s.looks, "nothing was compared")
	require.Positive(t, s.kills, "nothing was killed")
}
