package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// serve --watch runs serve in a child process and starts it again when it ends otherwise
// than it should: Badger, or the system, can end a process at any time.
//
// The child learns from watchedVar that it is one. It ends when its standard input does,
// which the watcher holds open: so it does not outlive the watcher. When it ends in
// order, its exit code is watchedCode higher than it would be, which tells that from a
// panic (2), log.Fatal (1) and a signal.
const (
	watchedVar  = "BROCK_WATCHED"
	watchedCode = 100

	restartFirst = 100 * time.Millisecond
	restartMost  = 30 * time.Second
	// restartReset is how long a hub must have served for the next delay to be the first again.
	restartReset = time.Minute
)

// watched says whether a watcher runs this process, in whose environment that stands no
// longer: it is not the children's business.
func watched(env []string) bool {
	_ = os.Unsetenv(watchedVar)
	return environment(env)[watchedVar] != ""
}

// untilWatcherEnds returns a context that ends with the watcher, where there is one.
func (c *cli) untilWatcherEnds(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if c.env[watchedVar] != "" {
		go func() { // it ends with the process
			_, _ = io.Copy(io.Discard, c.in)
			cancel()
		}()
	}
	return ctx, cancel
}

// watchServe keeps a child serving until it ends as it should.
func (c *cli) watchServe(log *slog.Logger) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	delay := time.Duration(0)
	for first := true; ; first = false {
		began := time.Now()
		end, err := c.serveOnce(program, signals)
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if code, final := end.final(first); final {
			return exitWith(code)
		}
		delay = nextDelay(delay, time.Since(began))
		log.Error("the hub ended; it is started again", "how", end.how, "in", delay)
		if s := pause(delay, signals); s != nil {
			log.Info("stopping", "signal", s.String())
			return nil
		}
	}
}

// pause waits, and returns the signal that ended it.
func pause(d time.Duration, signals <-chan os.Signal) os.Signal {
	over := time.After(d)
	for {
		select {
		case <-over:
			return nil
		case s := <-signals:
			if s != syscall.SIGHUP {
				return s
			}
		}
	}
}

func nextDelay(last, served time.Duration) time.Duration {
	if last == 0 || served >= restartReset {
		return restartFirst
	}
	return min(2*last, restartMost)
}

// ending is how a child ended.
type ending struct {
	code  int    // of the process; negative: a signal ended it
	asked bool   // a signal was passed on to it
	how   string // for people
}

// final says whether the watcher ends with the child, and with which exit code. What
// kept a first start from being ready keeps the next one, too; later it may pass.
func (e ending) final(first bool) (code int, final bool) {
	code = e.code - watchedCode
	switch {
	case e.code < watchedCode: // a panic, a fatal error, or a signal
		return exitFailure, e.asked
	case code == exitFailure:
		return code, e.asked || first
	}
	return code, true
}

// serveOnce runs a child to its end. Signals are passed on to it: it is in a process group of
// its own, so that a terminal's Ctrl-C does not come to it twice.
func (c *cli) serveOnce(program string, signals <-chan os.Signal) (ending, error) {
	child := exec.Command(program, c.childArgs()...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), watchedVar+"=1")
	child.Stdout, child.Stderr = c.out, c.err
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := child.StdinPipe(); err != nil { // never written to; its end is our end
		return ending{}, err
	}
	if err := child.Start(); err != nil {
		return ending{}, err
	}
	done := make(chan error, 1)
	go func() { done <- child.Wait() }()
	var end ending
	for {
		select {
		case s := <-signals:
			end.asked = end.asked || s != syscall.SIGHUP // which has credentials read again
			_ = child.Process.Signal(s)                  // it may just have ended
		case err := <-done:
			var exited *exec.ExitError
			if err != nil && !errors.As(err, &exited) {
				return end, err
			}
			end.code, end.how = child.ProcessState.ExitCode(), child.ProcessState.String()
			return end, nil
		}
	}
}

// childArgs are the arguments without --watch.
func (c *cli) childArgs() []string {
	return slices.DeleteFunc(slices.Clone(c.args), func(a string) bool { return a == "--watch" || strings.HasPrefix(a, "--watch=") })
}

// exitWith ends the command with the code; the child has said why.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return &exit{code: code}
}
