package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/brockdb/brock/test/harness"
)

// kill is one planned death.
type kill struct {
	point *point        // nil: at a random moment
	work  work          // then, beside
	after time.Duration // so long after the process was started
	step  harness.Step
	seed  uint64
}

// String names it, for a failure.
func (k kill) String() string {
	if k.point == nil {
		return fmt.Sprintf("random moment: %s, after %v", k.work, k.after)
	}
	return fmt.Sprintf("%s (nth %d, later %v)", k.point.name, k.step.Nth, k.step.Later)
}

// start says that the kill may come before the process has looked at what it found.
func (k kill) start() bool { return k.point == nil || k.point.start }

// round is a hub's directory and the kills that it has to survive.
type round struct {
	number int
	fresh  bool // it begins empty
	hurt   bool // it begins with a damaged table
	kills  []kill
}

// roundLength is how many kills a directory sees: more make the last look cheaper, fewer
// the directory smaller.
const roundLength = 40

// randomShare of all kills come at random moments.
const randomShare = 10

// plan draws n kills from the points: each as often as any other.
func plan(n int, all []point, rng *rand.Rand) (rounds []round) {
	var single []round
	var groups [][]kill
	for _, p := range draw(n-n/randomShare, all, rng) {
		switch group := chainOf(p, all, rng); {
		case p.fresh:
			single = append(single, round{fresh: true, kills: group})
		case p.work == healing:
			single = append(single, round{hurt: true, kills: group})
		default:
			groups = append(groups, group)
		}
	}
	for range n / randomShare {
		k := kill{work: works[rng.IntN(len(works))], after: time.Duration(1+rng.IntN(400)) * time.Millisecond, seed: rng.Uint64()}
		groups = append(groups, []kill{k})
	}
	rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	var r round
	for _, g := range settled(groups) {
		if r.kills = append(r.kills, g...); len(r.kills) >= roundLength {
			rounds, r = append(rounds, r), round{}
		}
	}
	if len(r.kills) > 0 {
		rounds = append(rounds, r)
	}
	rounds = append(rounds, single...)
	rng.Shuffle(len(rounds), func(i, j int) { rounds[i], rounds[j] = rounds[j], rounds[i] })
	for i := range rounds {
		rounds[i].number = i
	}
	return rounds
}

// works are those in which a hub is killed at random moments.
var works = []work{writing, shipping, merging, backups, files, chains, drills, restores, compactions}

// draw picks n points, each as often as any other; one that others need before them comes
// with those.
func draw(n int, all []point, rng *rand.Rand) (drawn []point) {
	needed := map[string]int{}
	for _, p := range all {
		if p.prior != "" {
			needed[p.prior]++
		}
	}
	if n < len(all) { // not each comes
		for _, i := range rng.Perm(len(all))[:n] {
			drawn = append(drawn, all[i])
		}
		return drawn
	}
	for _, p := range all {
		for range max(0, 1-needed[p.name]) * (n / len(all)) {
			drawn = append(drawn, p)
		}
	}
	return drawn
}

// chainOf is the kill at the point, behind those that make it come.
func chainOf(p point, all []point, rng *rand.Rand) (chain []kill) {
	if p.prior != "" {
		i := slices.IndexFunc(all, func(o point) bool { return o.name == p.prior })
		chain = chainOf(all[i], all, rng)
	}
	k := kill{point: &p, work: p.work, step: p.step, seed: rng.Uint64()}
	if p.nth > 0 {
		k.step.Nth = 1 + rng.IntN(p.nth)
	}
	if p.later > 0 {
		k.step.Later = time.Duration(1 + rng.Int64N(int64(p.later)))
	}
	return append(chain, k)
}

// settled puts the groups in an order in which hardly two starts in a row are cut short:
// a table that is opened alone at three deaths in a row counts as damaged.
func settled(groups [][]kill) (out [][]kill) {
	var cut [][]kill
	for _, g := range groups {
		if len(g) == 1 && g[0].start() {
			cut = append(cut, g)
			continue
		}
		if out = append(out, g); len(cut) > 0 {
			out, cut = append(out, cut[0]), cut[1:]
		}
	}
	return append(out, cut...)
}
