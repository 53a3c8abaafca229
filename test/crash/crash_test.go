// Package crash kills hubs, really: at named points of everything that they do to their
// files, and at random moments. Each start looks at all that the one before left, and
// holds it to what was acknowledged.
package crash

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

var (
	kills = flag.Int("kills", 20, "how many kills; from 10/9 of the number of points on, each point comes")
	seed  = flag.Uint64("seed", 0, "seed of the plan; 0 takes one from the clock")
	at    = flag.String("at", "", "only points whose name matches the expression")
	lanes = flag.Int("lanes", 2, "how many hubs at once")
	only  = flag.Int("round", -1, "only this round of the plan")
	limit = flag.Duration("limit", 0, "begin no more rounds after this time; 0: no limit")
	keep  = flag.String("keep", "", "where the directory of a hub that failed is put")
)

const childVar = "BROCK_CRASH_CHILD"

func TestMain(m *testing.M) {
	if told := os.Getenv(childVar); told != "" {
		os.Exit(runChild(told))
	}
	os.Exit(m.Run())
}

// TestKilled kills as many hubs as it is told to.
func TestKilled(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	if testing.Short() {
		*kills = min(*kills, 16)
	}
	all := chosen(t)
	rounds := plan(*kills, all, rand.New(rand.NewPCG(*seed, 1)))
	t.Logf("seed %d: %d points, %d rounds (repeat one with -args -seed %d -kills %d -round R)", *seed, len(all), len(rounds), *seed, *kills)
	dir := t.TempDir()
	template, err := makeTemplate(filepath.Join(dir, "template"))
	require.NoError(t, err)
	y := &tally{hits: map[string]int{}}
	c := campaign{t: t, template: template, dir: dir, tally: y, began: time.Now()}
	c.run(rounds)
	if !t.Failed() {
		c.judge(rounds, all)
	}
}

// chosen are the points that the test is about.
func chosen(t *testing.T) []point {
	all := points()
	names := map[string]bool{}
	for _, p := range all {
		require.False(t, names[p.name], "two points are called %s", p.name)
		names[p.name] = true
	}
	for _, p := range all {
		require.True(t, p.prior == "" || names[p.prior], "no point is called %s", p.prior)
	}
	if *at == "" {
		return all
	}
	wanted := regexp.MustCompile(*at)
	need := map[string]bool{}
	for _, p := range all {
		if wanted.MatchString(p.name) {
			need[p.name], need[p.prior] = true, true
		}
	}
	return slices.DeleteFunc(all, func(p point) bool { return !need[p.name] })
}

// campaign runs the rounds of a plan.
type campaign struct {
	t        *testing.T
	template template
	dir      string
	tally    *tally
	began    time.Time
	failed   sync.Once
	late     bool // the limit came before the plan's end
}

// run lets some rounds run at once. The first that fails ends all.
func (c *campaign) run(rounds []round) {
	next := make(chan round)
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range *lanes {
		running.Go(func() {
			for r := range next {
				if err := r.run(c.template, filepath.Join(c.dir, fmt.Sprintf("round-%d", r.number)), c.tally); err != nil {
					c.t.Errorf("%v", err)
					c.failed.Do(func() { close(stop) })
				}
				c.progress()
			}
		})
	}
	defer running.Wait()
	defer close(next)
	for _, r := range rounds {
		if *only >= 0 && r.number != *only {
			continue
		}
		if *limit > 0 && time.Since(c.began) > *limit {
			c.late = true
			return
		}
		select {
		case next <- r:
		case <-stop:
			return
		}
	}
}

// progress tells, about every thousand kills, how far it is.
func (c *campaign) progress() {
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	if n := c.tally.kills(); n/1000 > c.tally.told {
		c.tally.told = n / 1000
		fmt.Printf("%d kills, %d acknowledged writes, %v\n", n, c.tally.writes, time.Since(c.began).Round(time.Second))
	}
}

// judge sums up: a point that was planned and not reached has failed its round already.
func (c *campaign) judge(rounds []round, all []point) {
	y := c.tally
	least := y.kills()
	for _, p := range all {
		least = min(least, y.hits[p.name])
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(y.hits)) {
		fmt.Fprintf(&text, "\n%7d  %s", y.hits[name], name)
	}
	c.t.Logf("hits of each point:%s", text.String())
	c.t.Logf("%d kills in %v (seed %d): %d at %d of %d points, each at least %d times, and %d at random moments; %d acknowledged writes, %d backups, %d restores, drills and compactions, %d whole checks at starts, %d directories at the end with %d runs restored as one cut: no acknowledged write lost, no batch torn, no listed snapshot unreadable, no start failed, nothing left over",
		y.kills(), time.Since(c.began).Round(time.Second), *seed, y.kills()-y.random, len(y.hits), len(all), least, y.random, y.writes, y.backups, y.swaps, y.starts, y.closed, y.runs)
	planned := 0
	for _, r := range rounds {
		planned += len(r.kills)
	}
	switch {
	case *only >= 0:
	case c.late:
		c.t.Logf("the limit of %v came before all of the %d kills that were planned", *limit, planned)
	default:
		require.Equal(c.t, planned, y.kills())
	}
}
