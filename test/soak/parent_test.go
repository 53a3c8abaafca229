package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// soak watches over the hub's process.
type soak struct {
	t     *testing.T
	rng   *rand.Rand
	dir   string
	began time.Time
	model model

	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan any // ack or line; closed when the process has ended

	looked  chan look
	pending map[int]app.Version // tables whose restore was begun, and to what
	busy    map[string]int      // commands under way, by name
	worked  map[string]bool     // commands that were under way since the last window
	newest  app.Version         // of all acknowledgements
	recent  []moment            // what can be asked for

	phases  []phase
	windows []window
	marks   []mark // what happened when
	starts  []time.Duration

	acked, kills, backups, looks, comparing, compared, compactions, restores, verified int
	pauses                                                                             []float64
	backupTook, lookTook                                                               []time.Duration
	disturbed                                                                          bool // since the last window
}

// look is what a look at the past found.
type look struct {
	at              app.Version
	tables, records int
	took            time.Duration // of the restore
	err             error
}

// moment is a version that was acknowledged at a time.
type moment struct {
	v  app.Version
	at time.Time
}

type phase struct {
	name     string
	from, to time.Time
	took     histogram
}

type mark struct {
	at   time.Time
	what string
}

func (s *soak) data() string  { return filepath.Join(s.dir, "data") }
func (s *soak) vault() string { return filepath.Join(s.dir, "vault") }

// start starts the process and learns how far its writers are.
func (s *soak) start() {
	told, err := json.Marshal(order{Data: s.data(), Vault: s.vault(), Rate: *rateFlag, LogWindow: 10 * time.Minute, Window: min(5*time.Second, *forFlag/20)})
	require.NoError(s.t, err)
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), childVar+"="+string(told))
	s.cmd.Stderr = os.Stderr
	s.in, err = s.cmd.StdinPipe()
	require.NoError(s.t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.cmd.Start())
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.lines = make(chan any, 1<<16) // the hub must not wait for us
	go read(out, s.lines)
	s.busy, s.worked = map[string]int{}, map[string]bool{}
	for heads := 0; heads < writerCount; {
		switch l := s.next().(type) {
		case line:
			if l.Ready {
				s.starts = append(s.starts, l.Took)
			}
			if l.Head != nil {
				s.resume(*l.Head)
				heads++
			}
		case ack:
			s.acknowledged(l)
		}
	}
	s.pending = map[int]app.Version{}
}

// read passes on what the process says until it ends. A line that its death has torn is none.
func read(out io.Reader, lines chan<- any) {
	defer close(lines)
	for in := bufio.NewReaderSize(out, 1<<20); ; {
		text, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, "{") {
			var a ack
			if _, err := fmt.Sscan(text, &a.Writer, &a.N, &a.Version); err != nil {
				lines <- line{Fail: fmt.Sprintf("unreadable line %q", text)}
			}
			lines <- a
			continue
		}
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			l.Fail = fmt.Sprintf("%v: %q", err, text)
		}
		lines <- l
	}
}

func (s *soak) next() any {
	select {
	case l, ok := <-s.lines:
		if f, is := l.(line); is {
			require.Empty(s.t, f.Fail)
		}
		require.True(s.t, ok, "the hub's process has ended")
		return l
	case <-time.After(2 * time.Minute):
		s.t.Fatal("the hub's process says nothing any more")
		return nil
	}
}

// resume holds a writer's place at a start to what was acknowledged: it may have come
// one further, or have been taken back by a restore that was under way.
func (s *soak) resume(a ack) {
	p, table := &s.model.writers[a.Writer], tableOf(a.Writer)
	last := p.now()
	if at, ok := s.pending[table]; ok && a.N == p.at(at) && a.N != last {
		s.model.restoredBy(table, a.Mark)
		require.NoError(s.t, p.add(a.Mark, a.N))
		return
	}
	switch a.N {
	case last:
	case last + 1:
		require.NoError(s.t, p.add(a.Version, a.N), "writer %d", a.Writer)
	default:
		s.t.Fatalf("writer %d had come to %d, and is at %d: acknowledged writes are lost", a.Writer, last, a.N)
	}
}

func (s *soak) acknowledged(a ack) {
	p := &s.model.writers[a.Writer]
	if next := p.now() + 1; a.N != next { // thousands a second: a require would be slow
		s.t.Fatalf("writer %d: %d is acknowledged, %d was to come", a.Writer, a.N, next)
	}
	if err := p.add(a.Version, a.N); err != nil {
		s.t.Fatalf("writer %d: %v", a.Writer, err)
	}
	s.newest = max(s.newest, a.Version)
	if s.acked++; s.acked%1000 == 0 {
		s.recent = append(s.recent, moment{s.newest, time.Now()})
	}
}

// kill ends the process as a power cut ends all processes, and starts it anew.
func (s *soak) kill() {
	s.kills++
	s.note("kill")
	s.disturbed = true
	require.NoError(s.t, s.cmd.Process.Kill())
	for l := range s.lines {
		s.heard(l)
	}
	_ = s.cmd.Wait() // it was killed
	s.start()
}

// finish closes the hub in order, and compares all that it holds.
func (s *soak) finish() {
	require.NoError(s.t, s.in.Close())
	closed := false
	for l := range s.lines {
		s.heard(l)
		if l, ok := l.(line); ok && l.Closed {
			closed = true
		}
	}
	require.NoError(s.t, s.cmd.Wait())
	require.True(s.t, closed)
	ctx := context.Background()
	h, err := app.Open(ctx, app.Config{Data: s.data(), Vault: s.vault(), Offline: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(s.t, err)
	end := s.model.at(1<<53 - 1)
	tables, records, err := end.compare(ctx, h)
	require.NoError(s.t, err)
	require.Equal(s.t, tableCount, tables)
	s.compared += records
	report, err := h.Verify(ctx)
	require.NoError(s.t, err)
	require.Empty(s.t, report.Problems)
	drill, err := h.Drill(ctx)
	require.NoError(s.t, err)
	require.Empty(s.t, drill.Problems)
	require.NoError(s.t, h.Close(ctx))
}
