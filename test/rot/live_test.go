package rot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is a child; damage may end it.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err *bytes.Buffer
}

func startChild(t *testing.T) *process {
	p := &process{cmd: exec.Command(os.Args[0]), err: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), childVar+"=1")
	p.cmd.Stderr = p.err
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	return p
}

// obey has the child do what it is told; ok is false where that ended it.
func (p *process) obey(o order) (a answer, ok bool) {
	b, err := json.Marshal(o)
	if err == nil {
		_, err = fmt.Fprintf(p.in, "%s\n", b)
	}
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	return a, err == nil
}

func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// TestLiveStores damages the directory of a hub, while it is stopped, as a kill left it,
// and while it runs, and holds what the hub then does to what its tables should have: no
// wrong value is read, a scan that ends well and a backup that is called good are whole,
// the table is healed or refused, and the others serve. What ends the process may do so
// some times, but not for ever.
func TestLiveStores(t *testing.T) {
	hs := makeHubs(t)
	p := startChild(t)
	defer func() { p.stop() }()
	total := newLiveTotals()
	for i := *first; i < *first+*lives; i++ {
		im, running := hs.killed, i%5 == 4
		if i%5 == 3 || running {
			im = hs.stopped
		}
		dir := hs.write(t, im)
		h := makeHarm(im, hs.older, i, running)
		o := order{Dir: dir}
		if running {
			o.Harm = &h
		} else {
			require.NoError(t, h.do(dir))
		}
		a, ok := p.obey(o)
		deaths := 0
		for ; !ok && deaths < 15; deaths++ {
			p.stop()
			total.died(h, p.err.String())
			p = startChild(t)
			a, ok = p.obey(order{Dir: dir})
		}
		if !ok {
			a.Problem = "the hub dies for ever"
		}
		total.add(h, running, a)
		if a.Problem != "" {
			t.Errorf("harm %d of seed %d (running: %v): %v: %s\n%s", i, *seed, running, h, a.Problem, tail(filepath.Join(dir, "hub.log")))
		}
		if testing.Verbose() && *lives > 200 && total.n%100 == 0 {
			fmt.Printf("rot: %d times damaged, seed %d\n", total.n, *seed)
		}
		require.NoError(t, os.RemoveAll(dir))
	}
	t.Logf("seed %d, from %d: %s", *seed, *first, total)
}

// tail is the end of a hub's log.
func tail(file string) string {
	b, _ := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}
