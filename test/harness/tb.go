package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
)

// TB is what the harness needs of a test; *testing.T and *testing.B are ones.
// [Script] makes one outside of a test.
type TB interface {
	Name() string
	Helper()
	Context() context.Context
	Cleanup(func())
	TempDir() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// Script runs f outside of a test, with cleanups at its end, and returns what
// failed. Examples and the processes that are killed use it.
func Script(name string, f func(TB)) error {
	s := &script{name: name}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine, as in a test
		defer close(done)
		defer s.cleanUp()
		f(s)
	}()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failures...)
}

type script struct {
	name   string
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	failures []error
	cleanups []func()
}

func (s *script) Name() string             { return s.name }
func (s *script) Helper()                  {}
func (s *script) Context() context.Context { return s.ctx }

func (s *script) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

func (s *script) TempDir() string {
	dir, err := os.MkdirTemp("", "brock-"+s.name+"-")
	if err != nil {
		s.Fatalf("temporary directory: %v", err)
	}
	s.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			s.Errorf("temporary directory: %v", err)
		}
	})
	return dir
}

func (s *script) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *script) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, fmt.Errorf(format, args...))
}

func (s *script) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

func (s *script) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.failures) > 0
}

// cleanUp runs the cleanups, the last one first, also those that they add.
func (s *script) cleanUp() {
	s.cancel()
	for {
		s.mu.Lock()
		n := len(s.cleanups)
		if n == 0 {
			s.mu.Unlock()
			return
		}
		f := s.cleanups[n-1]
		s.cleanups = s.cleanups[:n-1]
		s.mu.Unlock()
		f()
	}
}
