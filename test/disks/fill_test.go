//go:build linux

package disks

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDisksThatFillUpAtRandom fills the disks of a hub, wholly or nearly, and frees them,
// while it writes, backs up, ships its log, compacts and drills, is killed, stopped and
// started. Badger may end the process, when somebody else takes the space that a write
// was just promised. Nothing acknowledged is ever missing, and nobody takes it for damage.
func TestDisksThatFillUpAtRandom(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	var all tally
	for i := range *rounds {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { fillRound(t, seed, &all) }) {
			break
		}
		if (i+1)%25 == 0 {
			t.Logf("%d of %d rounds: %s", i+1, *rounds, all)
		}
	}
	t.Logf("seed %d: %s", first, all)
}

// tally counts what happened.
type tally struct {
	rounds, steps, acknowledged, refused, deaths, refusedStarts int
}

func (a tally) String() string {
	return fmt.Sprintf("%d rounds, %d steps, %d acknowledged writes and 0 of them lost, %d refused; the process ended %d times, and did not start %d times, for want of space",
		a.rounds, a.steps, a.acknowledged, a.refused, a.deaths, a.refusedStarts)
}

// filling is one round.
type filling struct {
	t    *testing.T
	rng  *rand.Rand
	d, v *volume
	h    *hub
	all  *tally
}

func fillRound(t *testing.T, seed uint64, all *tally) {
	f := &filling{t: t, rng: rand.New(rand.NewPCG(seed, 7)), d: newVolume(t, 160*mib), all: all}
	f.v = f.d
	if f.rng.IntN(4) > 0 {
		f.v = newVolume(t, 64*mib)
	}
	f.h = newHub(t, order{Data: filepath.Join(f.d.dir, "data"), Vault: filepath.Join(f.v.dir, "vault"), MinFree: 24 * mib})
	for range 6 {
		f.step()
		all.steps++
	}
	f.d.empty()
	f.v.empty()
	f.up()
	for _, q := range []question{{Do: "put", Table: "a", Key: "end"}, {Do: "put", Table: "b", Key: "end"}, {Do: "backup"}, {Do: "verify"}, {Do: "drill"}} {
		f.h.until(q, works)
	}
	f.h.note("a", "end", nil, answer{})
	f.h.note("b", "end", nil, answer{})
	f.h.check()
	f.h.noDamage()
	f.h.endsClean()
	all.rounds++
	all.acknowledged += f.h.count
	all.refused += f.h.refused
}

// step does something to the disks while the hub works.
func (f *filling) step() {
	var work sync.WaitGroup
	for i, table := range f.h.order.Tables {
		seed := f.rng.Uint64()
		work.Go(func() { f.write(table, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	op := []string{"backup", "compact", "drill", "verify", ""}[f.rng.IntN(5)]
	if op != "" {
		work.Go(func() {
			a := f.h.ask(question{Do: op})
			if a.Error != "" && a.Error != died && !f.named(a) {
				f.t.Errorf("%s: %v: %s is no name for a full disk", op, a.Is, a.Error)
			}
		})
	}
	disk := []*volume{f.d, f.v}[f.rng.IntN(2)]
	if f.rng.IntN(4) == 0 {
		disk.empty()
	} else {
		disk.fill([]int64{0, mib, 8 * mib, 22 * mib, 40 * mib}[f.rng.IntN(5)])
	}
	work.Wait()
	switch f.rng.IntN(6) {
	case 0:
		f.h.kill()
	case 1:
		if a := f.h.stop(); a.Error != "" && a.Error != died {
			require.Contains(f.t, a.Is, "ErrNoSpace")
		}
	default:
		if !f.h.alive() {
			f.died()
		}
	}
	f.up()
}

// named says whether an error says what it is about: no space, a table that is down for
// want of it, or a vault that has not got yet what the work needs.
func (f *filling) named(a answer) bool {
	return slices.ContainsFunc(a.Is, func(is string) bool { return is == "ErrNoSpace" || is == "ErrUnavailable" || is == "ErrGap" }) ||
		strings.Contains(a.Error, "has no complete snapshot to drill")
}

// write puts records until the table has enough of them.
func (f *filling) write(table string, rng *rand.Rand) {
	for range 40 {
		a := f.h.put(table, fmt.Sprintf("key-%03d", rng.IntN(200)), bytesOf(100+rng.IntN(31_000)))
		if a.Error == died {
			return
		}
		if a.Error != "" && !slices.ContainsFunc(a.Is, func(is string) bool { return is == "ErrNoSpace" || is == "ErrUnavailable" || is == "ErrUnknownOutcome" }) {
			f.t.Errorf("put: %s is no name for a full disk", a.Error)
		}
	}
}

// died counts an end of the process, which must be that of a full disk.
func (f *filling) died() {
	f.all.deaths++
	log := f.h.log.String()
	require.True(f.t, strings.Contains(log, "SIGBUS") || strings.Contains(log, "no space left"), "it ended for another reason:\n%s", log)
}

// up starts the hub where it has ended; where the disk is too full for that, with space.
func (f *filling) up() {
	for try := 0; !f.h.alive(); try++ {
		f.h.start()
		if f.h.first.Error == "" {
			return
		}
		f.all.refusedStarts++
		if f.h.first.Error != died {
			require.Contains(f.t, f.h.first.Is, "ErrNoSpace", "%+v", f.h.first)
		} else {
			f.died()
		}
		<-f.h.ended
		f.d.empty()
		f.v.empty()
		require.Less(f.t, try, 3)
	}
}
