package disktest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

var (
	cuts     = flag.Int("cuts", 0, "how many power cuts a test makes at least; 0: those of one life")
	cutSeed  = flag.Uint64("cut-seed", 1, "seed of the first life; the next ones count on from it")
	cutsOf   = flag.Int("cuts-per-step", 0, "how many power cuts are made behind each step; 0: 8 with -cuts, else few")
	tellCuts = 10 * time.Second
)

// quickly is about how many cuts a short life gets without flags.
const quickly = 500

// Life is what a program did on a [Recorder], which it was started on.
type Life struct {
	Recorder *Recorder
	// Start starts the program on what a cut behind the step has left, and checks all
	// that must be true then. next, which may be nil, goes on from there, so that what
	// was left is seen to be good for more. They may also fail the test.
	Start func(fsys disk.FS, step int) (next func() error, err error)
}

// Power lets programs live and cuts the power: behind every step, keeping of what was not
// synced what chance says; and again while the next start is at work. A failure says how
// to repeat it.
func Power(t *testing.T, live func(t *testing.T, seed uint64) Life) {
	t.Helper()
	p := &power{t: t, told: time.Now()}
	defer func() {
		if t.Failed() {
			t.Logf("%s\nrepeat: -run '^%s$' -args -cut-seed %d -cuts-per-step %d", p.doing, t.Name(), p.seed, max(1, p.per))
		}
	}()
	for seed := *cutSeed; p.cuts == 0 || p.cuts < *cuts; seed++ {
		p.seed = seed
		p.life(live(t, seed))
		p.lives++
	}
	t.Logf("%s: %d power cuts over %d lives of %d steps in all, %d of them during a start after a cut (first seed %d): each start was good", t.Name(), p.cuts, p.lives, p.steps, p.again, *cutSeed)
}

type power struct {
	t                         *testing.T
	seed                      uint64
	lives, steps, cuts, again int
	told                      time.Time
	per                       int
	doing                     string
}

func (p *power) life(l Life) {
	p.t.Helper()
	steps := l.Recorder.Steps()
	switch p.per = *cutsOf; {
	case p.per > 0:
	case *cuts > 0:
		p.per = 8
	default:
		p.per = max(1, quickly/steps)
	}
	stride := 1
	if *cutsOf == 0 && *cuts == 0 {
		stride = 1 + steps/quickly
	}
	p.steps += steps
	player := l.Recorder.Player()
	for step := 0; step <= steps; step += stride {
		for i := range p.per {
			rng := rand.New(rand.NewPCG(p.seed, uint64(step)<<20|uint64(i)))
			cut := Cut{Step: step, Keep: keeping(rng), Seed: rng.Uint64()}
			p.doing = fmt.Sprintf("life %d: %v\nbehind: %s", p.seed, cut, l.Recorder.around(step))
			if err := p.cut(l, player.At(cut), rng); err != nil {
				p.t.Fatal(err)
			}
		}
		if time.Since(p.told) > tellCuts {
			p.told = time.Now()
			p.t.Logf("%s: %d power cuts so far", p.t.Name(), p.cuts)
		}
	}
}

// keeping returns a percentage: often one of the ends, where nothing or all is kept.
func keeping(rng *rand.Rand) int {
	switch rng.IntN(4) {
	case 0:
		return 0
	case 1:
		return 100
	}
	return rng.IntN(101)
}

// cut starts on the disk; one time in four the power goes again on the way.
func (p *power) cut(l Life, d *Disk, rng *rand.Rand) error {
	p.cuts++
	step := d.Cut.Step
	if rng.IntN(4) > 0 {
		return started(l.Start(d, step))
	}
	again, err := Record(d, Options{}, "/")
	if err != nil {
		return err
	}
	if _, err := l.Start(again, step); err != nil {
		return fmt.Errorf("started on a recorder: %w", err)
	}
	p.cuts++
	p.again++
	c := Cut{Step: rng.IntN(again.Steps() + 1), Keep: keeping(rng), Seed: rng.Uint64()}
	if err := started(l.Start(again.Player().At(c), step)); err != nil {
		return fmt.Errorf("and in the start after it, %v: %w", c, err)
	}
	return nil
}

func started(next func() error, err error) error {
	if err == nil && next != nil {
		if err = next(); err != nil {
			err = fmt.Errorf("going on: %w", err)
		}
	}
	return err
}

// around shows the last steps before a cut.
func (r *Recorder) around(step int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := ""
	for _, s := range r.steps[max(0, step-6):step] {
		text += fmt.Sprintf("\n  %s %s %s", s.verb, s.name, s.to)
	}
	return text
}
