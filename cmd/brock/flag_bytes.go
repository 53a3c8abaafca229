package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
)

// bytesFlag is a flag for a number of bytes as people write it: 100MB, 1GiB, 4096.
type bytesFlag struct{ n *int64 }

// newBytesFlag makes a flag of the variable, whose value is the default.
func newBytesFlag(n *int64, value int64) bytesFlag {
	*n = value
	return bytesFlag{n}
}

// Set reads a number of bytes.
func (f bytesFlag) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 || strings.TrimSpace(text) == "" {
		return fmt.Errorf("%.40q is no number of bytes such as 100MB or 1GiB", text)
	}
	*f.n = int64(n)
	return nil
}

// String is the number, in the unit that leaves the fewest digits.
func (f bytesFlag) String() string {
	if f.n == nil || *f.n == 0 {
		return "0"
	}
	for _, unit := range []struct {
		name string
		n    int64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}} {
		if *f.n%unit.n == 0 {
			return fmt.Sprint(*f.n/unit.n, unit.name)
		}
	}
	return fmt.Sprint(*f.n)
}

// Type names the kind of value in the help.
func (f bytesFlag) Type() string { return "size" }
