package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a process may live that is to die at a point.
const patience = 3 * time.Minute

// tally counts over all rounds.
type tally struct {
	mu      sync.Mutex
	hits    map[string]int // by point
	random  int
	starts  int // that went as far as a complete look
	writes  int
	backups int
	swaps   int
	runs    int // restored as one cut
	closed  int // directories looked at in the end
	told    int // thousands of kills
}

func (y *tally) kills() (n int) {
	for _, hits := range y.hits {
		n += hits
	}
	return n + y.random
}

// run makes the round's directory, kills its hub again and again, and looks at what is
// left.
func (r round) run(t template, dir string, y *tally) (err error) {
	defer func() { err = errors.Join(err, dispose(dir, err != nil)) }()
	rec := newRecord()
	if !r.fresh {
		if err := t.copyTo(dir); err != nil {
			return err
		}
		rec = t.rec.clone()
	}
	if r.hurt {
		if err := hurt(dir); err != nil {
			return err
		}
	}
	v := &victim{round: r, dir: dir, rec: rec, tally: y}
	for i, k := range r.kills {
		if err := v.kill(k); err != nil {
			return fmt.Errorf("round %d, kill %d of %d, %v: %w", r.number, i+1, len(r.kills), k, err)
		}
	}
	if err := v.look(); err != nil {
		return fmt.Errorf("round %d, behind its last kill (%v): %w", r.number, r.kills[len(r.kills)-1], err)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.closed++
	y.writes, y.backups, y.swaps = y.writes+rec.writes, y.backups+rec.backups, y.swaps+rec.swaps
	return nil
}

// dispose removes a round's directory, or keeps it for people to look at.
func dispose(dir string, failed bool) error {
	if failed && *keep != "" {
		return os.Rename(dir, filepath.Join(*keep, filepath.Base(dir)))
	}
	return os.RemoveAll(dir)
}

// victim is the hub in a round's directory, over all its processes.
type victim struct {
	round round
	dir   string
	rec   *record
	tally *tally
}

// kill starts the hub, which dies.
func (v *victim) kill(k kill) error {
	o := order{Dir: v.dir, Work: k.work, Seed: k.seed, Fresh: v.round.fresh}
	if k.point != nil {
		o.Step, o.Start = &k.step, k.point.start
	}
	end, err := v.child(o, k.after)
	switch {
	case err != nil:
		return err
	case !end.killed:
		return fmt.Errorf("it was not killed, but ended with %v: %s", end.state, end.stderr)
	case k.point != nil && !end.died:
		return fmt.Errorf("it never came there within %v", patience)
	}
	v.tally.mu.Lock()
	defer v.tally.mu.Unlock()
	if k.point == nil {
		v.tally.random++
	} else {
		v.tally.hits[k.point.name]++
	}
	return nil
}

// look starts the hub for a look at everything, and ends it in order.
func (v *victim) look() error {
	works := []work{closing}
	if v.round.hurt {
		works = []work{healing, closing}
	}
	for _, w := range works {
		end, err := v.child(order{Dir: v.dir, Work: w, Fresh: v.round.fresh}, 0)
		if err == nil && (end.killed || end.code != 0) {
			err = fmt.Errorf("the last look (%s) ended with %v: %s", w, end.state, end.stderr)
		}
		if err == nil && w == closing {
			if problem := v.rec.agree(end.latest); problem != "" {
				err = fmt.Errorf("the change log leads elsewhere: %s", problem)
			}
		}
		if err != nil {
			return err
		}
	}
	if names := unfinishedIn(filepath.Join(v.dir, "data")); len(names) > 0 {
		return fmt.Errorf("left over: %v", names)
	}
	if names := unfinishedIn(filepath.Join(v.dir, "vault")); len(names) > 0 {
		return fmt.Errorf("left over: %v", names)
	}
	return nil
}

// ending is how a child ended.
type ending struct {
	died   bool // at its point, as it said
	killed bool
	code   int
	state  *os.ProcessState
	stderr string
	latest map[string]int // what the change log leads to
}

// child runs the hub, and takes down what it says. It is killed after a while; 0: when it
// lives for too long.
func (v *victim) child(o order, after time.Duration) (end ending, err error) {
	told, err := json.Marshal(o)
	if err != nil {
		return end, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return end, err
	}
	if after == 0 {
		after = patience
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err = v.listen(bufio.NewScanner(out), &end)
	_ = cmd.Wait() // it was killed
	timer.Stop()
	end.state, end.stderr = cmd.ProcessState, stderr.String()
	if status, ok := end.state.Sys().(syscall.WaitStatus); ok {
		end.killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if end.code = end.state.ExitCode(); err != nil {
		err = fmt.Errorf("%w\n%s", err, end.stderr)
	}
	return end, err
}

// listen takes down what a child says.
func (v *victim) listen(lines *bufio.Scanner, end *ending) error {
	var problems []error
	end.latest = map[string]int{}
	for lines.Scan() {
		line := lines.Text()
		var name string
		var n int
		switch {
		case line == "dying":
			end.died = true
		case line == "checked":
			v.count(&v.tally.starts)
		case line == "run-restored":
			v.count(&v.tally.runs)
		case strings.HasPrefix(line, "latest "):
			if _, err := fmt.Sscanf(line, "latest %s %d", &name, &n); err != nil {
				problems = append(problems, err)
			}
			end.latest[name] = n
		default:
			if problem := v.rec.learn(line); problem != "" {
				problems = append(problems, errors.New(problem))
			}
		}
	}
	return errors.Join(problems...)
}

func (v *victim) count(n *int) {
	v.tally.mu.Lock()
	defer v.tally.mu.Unlock()
	*n++
}
