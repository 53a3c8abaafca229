package app

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRaisedProcs(t *testing.T) {
	require.Equal(t, 8, raisedProcs(2, 2, ""))
	require.Equal(t, 2, raisedProcs(2, 2, "2"), "chosen by the environment")
	require.Equal(t, 2, raisedProcs(2, 16, ""), "a limit of the system")
	require.Equal(t, 16, raisedProcs(16, 16, ""))
}

func TestRaiseProcs(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(runtime.NumCPU())
	defer runtime.GOMAXPROCS(before)
	require.Equal(t, max(MinProcs, runtime.NumCPU()), RaiseProcs())
	require.Equal(t, max(MinProcs, runtime.NumCPU()), runtime.GOMAXPROCS(0))
	require.Equal(t, runtime.GOMAXPROCS(0), RaiseProcs(), "once")
}
