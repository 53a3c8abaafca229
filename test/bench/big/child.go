package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The same program runs as a child where something is killed, or its memory measured.
const (
	childVar = "BROCK_BENCH_CHILD" // what it does
	childDir = "BROCK_BENCH_DIR"   // of its bench
	childN   = "BROCK_BENCH_N"
	childArg = "BROCK_BENCH_ARG"
)

// child does what the environment asks for, if it does.
func child() (ran bool, err error) {
	b := &bench{dir: os.Getenv(childDir)}
	_, _ = fmt.Sscan(os.Getenv(childN), &b.n)
	ctx := context.Background()
	switch os.Getenv(childVar) {
	case "":
		return false, nil
	case "rpo":
		return true, b.rpoChild(ctx)
	case "backup":
		return true, inMemory(func(begin func()) error { return b.backupChild(ctx, begin) })
	case "restore":
		return true, inMemory(func(func()) error { return b.restoreChild(ctx, os.Getenv(childArg)) })
	}
	return true, fmt.Errorf("unknown child %q", os.Getenv(childVar))
}

func (b *bench) command(ctx context.Context, what, arg string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+what, childDir+"="+b.dir, fmt.Sprint(childN, "=", b.n), childArg+"="+arg)
	cmd.Stderr = os.Stderr
	return cmd
}

// memory is what a process took at its peak, in bytes.
type memory struct{ all, anon int64 }

// inMemory runs f and prints the process's peaks since f called begin, or since its
// start. What is all has the pages of mapped files in it, which the system takes back as
// it likes; anon is what only the process has.
func inMemory(f func(begin func()) error) error {
	var peak atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() {
		for ctx.Err() == nil {
			peak.Store(max(peak.Load(), status("RssAnon")))
			time.Sleep(2 * time.Millisecond)
		}
	})
	err := f(func() {
		debug.FreeOSMemory()
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // VmHWM begins anew
		peak.Store(0)
	})
	stop()
	watch.Wait()
	fmt.Println(status("VmHWM"), peak.Load())
	return err
}

// status reads one line of /proc/self/status, in bytes.
func status(name string) (n int64) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name+":"); ok {
			_, _ = fmt.Sscan(rest, &n)
		}
	}
	return n << 10
}
