package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one size's measurements in a folder of their own.
type bench struct {
	dir string
	n   int // records

	dump     string          // DB.Backup's file of the peer
	backedUp bool            // the hub has a whole snapshot, and one that goes on from it
	full1    []time.Duration // Brock's full snapshots
}

func (b *bench) wants(steps ...string) bool {
	if *only == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(*only, ","), func(s string) bool { return slices.Contains(steps, s) })
}

func (b *bench) title(format string, args ...any) {
	fmt.Printf("\n%s\n\n| figure | Brock | peer | ratio | aim |\n|---|---|---|---|---|\n", fmt.Sprintf(format, args...))
}

// row prints one line of the table.
func row(figure, brock, peer, ratio, aim string) {
	fmt.Printf("| %s | %s | %s | %s | %s |\n", figure, brock, peer, ratio, aim)
}

// compare prints a line of two times and by how much the first is larger.
func compare(figure string, brock time.Duration, name string, peer time.Duration, aim string) {
	row(figure, show(brock), name+" "+show(peer), times(float64(brock)/float64(peer)), aim)
}

func times(r float64) string {
	if r > 0 && r < 0.1 {
		return fmt.Sprintf("%.3f×", r)
	}
	return fmt.Sprintf("%.2f×", r)
}

// show prints a duration with three digits.
func show(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100 * max(1, pow10(int(d/unit)))).String()
		}
	}
	return d.String()
}

// pow10 is 1 for one digit, 10 for two, and so on.
func pow10(n int) time.Duration {
	p := time.Duration(1)
	for ; n >= 10; n /= 10 {
		p *= 10
	}
	return p
}

// stats of some times.
func median(d []time.Duration) time.Duration { return quantile(d, 0.5) }

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[min(int(float64(len(d))*q), len(d)-1)]
}

// mid is the median of numbers.
func mid(f []float64) float64 {
	f = slices.Sorted(slices.Values(f))
	return f[len(f)/2]
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// timed is how long f takes, once what came before it is on the disk.
func timed(f func() error) (time.Duration, error) {
	syscall.Sync()
	began := time.Now()
	err := f()
	return time.Since(began), err
}

// settle waits until this process has nothing to do in the background.
func settle() {
	for range 120 {
		before := cpu()
		time.Sleep(time.Second)
		if cpu()-before < 50*time.Millisecond {
			break
		}
	}
	syscall.Sync()
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of itself, it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
