package app

import (
	"os"
	"runtime"
)

// MinProcs is how many threads should be able to run Go code at once (GOMAXPROCS) in a
// process with a hub, at least. The processors may be fewer. Badger syncs by a system
// call, and each thread in one takes its share of GOMAXPROCS with it until the runtime
// notices: on two processors, writes then wait for any work beside them. With eight,
// p99 of 5,000 transactions a second beside a restore of all 13 tables was 87 ms, not
// 6.7 s (docs/PERFORMANCE.md).
//
// A hub leaves the process as it is. A program of its own, as `brock serve` is, calls
// [RaiseProcs] at its start.
const MinProcs = 8

// RaiseProcs raises GOMAXPROCS to [MinProcs] where it is lower, unless something has
// chosen it: the variable GOMAXPROCS of the environment, the program itself, or a
// limit that the system puts on the process (as in a container), which more threads
// would only use up sooner. The limit shows where it is below the processors that
// there are, and above one, for Go never takes less than two. What was raised no
// longer follows a limit that changes. It returns the value in force.
func RaiseProcs() int {
	n := runtime.GOMAXPROCS(0)
	if raised := raisedProcs(n, runtime.NumCPU(), os.Getenv("GOMAXPROCS")); raised != n {
		runtime.GOMAXPROCS(raised)
		return raised
	}
	return n
}

func raisedProcs(now, cpus int, chosen string) int {
	if chosen != "" || now != cpus {
		return now
	}
	return max(now, MinProcs)
}
