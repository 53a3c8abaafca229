package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// childVar tells a process of the test binary that it is to be killed.
const childVar = "BROCK_HARNESS_CHILD"

// childNotKilled is how a child ends whose scenario is over before its step came.
const childNotKilled = 3

// child is what such a process gets told.
type child struct {
	Scenario string
	Dir      string
	Step     Step
}

// scenario is what a killed process does.
type scenario struct {
	f    func(*Harness)
	opts []Option
}

var (
	scenariosMu sync.Mutex
	scenarios   = map[string]scenario{}
)

// Scenario registers, under a name, what a process does until [Kill] ends it. Do
// it in a variable or an init function of the test package:
//
//	var _ = harness.Scenario("back up", func(h *harness.Harness) {
//		h.Workload("task_queue", 1).Run(100)
//		h.Backup()
//	}, harness.Tables("task_queue"))
func Scenario(name string, f func(*Harness), opts ...Option) string {
	scenariosMu.Lock()
	defer scenariosMu.Unlock()
	scenarios[name] = scenario{f, opts}
	return name
}

func findScenario(name string) (scenario, bool) {
	scenariosMu.Lock()
	defer scenariosMu.Unlock()
	s, ok := scenarios[name]
	return s, ok
}

// Main runs a package's tests; call it from TestMain, which is how the processes
// that [Kill] starts find their scenario. m is a *testing.M. It ends the process.
func Main(m interface{ Run() int }) {
	if told := os.Getenv(childVar); told != "" {
		os.Exit(runChild(told))
	}
	os.Exit(m.Run())
}

func runChild(told string) int {
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	s, ok := findScenario(c.Scenario)
	if !ok {
		fmt.Fprintf(os.Stderr, "harness: no scenario %q\n", c.Scenario)
		return 1
	}
	journalled := func(set *settings) { set.journal = true }
	err := Script("child", func(t TB) {
		h := New(t, append(s.opts[:len(s.opts):len(s.opts)], InDir(c.Dir), Stopped(), journalled)...)
		h.KillAt(c.Step, func() {})
		h.Start()
		s.f(h)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return childNotKilled
}

// Kill runs a [Scenario] in a process of its own, which is killed at the step, and
// opens the hub on what is left. What [Workload] had written there is known here:
// its Check holds the hub to it. A scenario that ends without coming to its step
// fails the test. The package's TestMain must call [Main].
func Kill(t TB, name string, step Step) *Harness {
	t.Helper()
	s, ok := findScenario(name)
	if !ok {
		t.Fatalf("harness: no scenario %q", name)
	}
	dir := t.TempDir()
	told, err := json.Marshal(child{Scenario: name, Dir: dir, Step: step})
	if err != nil {
		t.Fatalf("harness: %v", err)
	}
	output, err := runToDeath(string(told))
	var ended *exec.ExitError
	switch {
	case !errors.As(err, &ended):
		t.Fatalf("harness: scenario %q was not killed (%v):\n%s", name, err, output)
	case ended.ExitCode() == childNotKilled:
		t.Fatalf("harness: scenario %q ended and never came to step %q:\n%s", name, step.Name, output)
	case ended.ExitCode() >= 0:
		t.Fatalf("harness: scenario %q failed before step %q:\n%s", name, step.Name, output)
	}
	return New(t, append(s.opts[:len(s.opts):len(s.opts)], InDir(dir))...)
}

// runToDeath runs the child, at most as long as the harness waits for anything.
func runToDeath(told string) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+told)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(patience, func() {
		_ = cmd.Process.Signal(os.Interrupt) // ends it with a code that is none of ours
	})
	err := cmd.Wait()
	if !timer.Stop() {
		return out.String(), fmt.Errorf("it ran for more than %v", patience)
	}
	return out.String(), err
}
