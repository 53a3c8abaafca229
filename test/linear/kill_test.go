package linear

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

const childVar = "BROCK_LINEAR_CHILD"

// task is what a process of its own is told to do.
type task struct {
	Dir      string
	Seed     uint64
	Things   int // of each client
	Values   uint32
	Runs     []string
	Unsynced bool
	IDs      int // of events so far
}

// TestHistoriesOfKilledHubs kills the process, at a line of its story that the seed
// chooses, and goes on with what is left.
func TestHistoriesOfKilledHubs(t *testing.T) {
	var sum tally
	killed := 0
	for seed := *first; seed < *first+uint64(*kills); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			s, n := killedLife(t, seed)
			sum.add(s)
			killed += n
		})
		if seed%50 == 0 {
			fmt.Printf("linear: %d seeds, %d kills, %v\n", seed-*first+1, killed, sum)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("seeds %d to %d: %d kills; %v", *first, *first+uint64(*kills)-1, killed, sum)
	sum.enough(t)
}

func killedLife(t *testing.T, seed uint64) (sum tally, killed int) {
	rng := rand.New(rand.NewPCG(seed, 9))
	past := &history{}
	do := task{Dir: t.TempDir(), Things: 25, Unsynced: rng.IntN(3) == 0}
	starts := 2 + rng.IntN(3)
	for i := range starts {
		do.Seed, do.IDs = rng.Uint64(), past.ids
		lines := 0 // to the end
		if i < starts-1 {
			lines = 1 + rng.IntN(300)
		}
		if !tell(t, past, &do, lines) {
			killed++
		}
		past.ended()
	}
	return past.check(t, fmt.Sprintf("killed-seed-%d", seed), len(names)), killed
}

// tell runs a process, kills it after so many lines, and takes its story into the
// history; ended says that it came to its end.
func tell(t *testing.T, past *history, do *task, lines int) (ended bool) {
	told, err := json.Marshal(do)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	story := bufio.NewScanner(out)
	for n := 1; story.Scan(); n++ {
		if story.Text() == "end" {
			ended = true
			break
		}
		var e event
		if err := json.Unmarshal(story.Bytes(), &e); err != nil {
			t.Errorf("%v: %s", err, story.Text())
			break
		}
		past.events = append(past.events, e)
		past.ids = max(past.ids, e.ID)
		do.note(e)
		if n == lines {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	require.True(t, ended && err == nil || !ended && lines > 0, "the process ended by itself: %v", err)
	return ended
}

// note keeps what the next process must know.
func (do *task) note(e event) {
	if e.In != nil {
		for _, c := range e.In.Batch {
			do.Values = max(do.Values, c.Val)
		}
	}
	if e.Out != nil && e.Out.Run != "" && e.Out.Status == done && (len(do.Runs) == 0 || do.Runs[len(do.Runs)-1] != e.Out.Run) {
		do.Runs = append(do.Runs, e.Out.Run)
	}
}

// child is the process.
func child(told string) int {
	var do task
	if err := json.Unmarshal([]byte(told), &do); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	hub, err := app.Open(context.Background(), app.Config{Data: do.Dir, Tables: names, Offline: true, Unsynced: do.Unsynced, Keep: 100,
		MinFree: -1, LogInterval: 50 * time.Millisecond, CompactEvery: -1, DrillEvery: -1, ScrubEvery: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	out := json.NewEncoder(os.Stdout) // a write each, in their order
	past := &history{ids: do.IDs, tell: func(e event) { _ = out.Encode(e) }}
	do.work(hub, past)
	if err := hub.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("end")
	return 0
}

// work has clients and disturbers do their things.
func (do *task) work(hub *app.Hub, past *history) {
	var wg sync.WaitGroup
	var values atomic.Uint32
	var mu sync.Mutex
	values.Store(do.Values)
	for t, name := range names {
		table, err := hub.Table(name)
		if err != nil {
			panic(err)
		}
		for i := range 4 {
			c := &client{id: 1 + t*4 + i, table: t, on: table, h: past, values: &values, rng: rand.New(rand.NewPCG(do.Seed, uint64(10+t*4+i)))}
			wg.Go(func() { c.run(context.Background(), do.Things) })
		}
	}
	for i := range 2 {
		d := &disturber{id: 20 + 2*i, hub: hub, rng: rand.New(rand.NewPCG(do.Seed, uint64(20+i))), h: past, mu: &mu, runs: &do.Runs}
		wg.Go(func() {
			for range 3 {
				d.disturb(context.Background())
			}
		})
	}
	wg.Wait()
}
