package power

import (
	"errors"
	"flag"
	"fmt"
	"github.com/brockdb/brock/test/extent"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

var ioRounds = flag.Int("io-rounds", 0, "how many times each work is done under an error at each of its calls; 0: at a few of them")

// ioFew returns at about how many calls an error of each kind comes without flags.
func ioFew() int { return extent.Few(1, 3) }

// faults are what a call may meet.
var faults = []struct {
	name string
	err  error
}{{"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"EACCES", syscall.EACCES}, {"short write", disktest.ErrShort}}

// sampleOf are the works that are done without flags: each other one, or all before a
// change lands.
func sampleOf[T any](works []T) []T {
	if *ioRounds > 0 {
		return works
	}
	return extent.Of(works, 2, 0)
}

// work is something that a hub does to its vault.
type work struct {
	name string
	prep func(l *life)       // so that there is something to do
	do   func(l *life) error // under errors
	done func(l *life) error // whether it is really done: what a fresh look at the disk says
	// stays says that the error stays, at that name: what is read twice cannot be read at all.
	stays bool
	// bears are calls whose failure the work may bear: it is done all the same.
	bears func(c disktest.Call) bool
}

// At every call of each work to the file system, an error of each kind: work that says
// it is done is done, what was there is there, nothing is left over, and the next
// attempt succeeds.
func TestIOErrors(t *testing.T) {
	total := 0
	for _, w := range sampleOf(works) {
		t.Run(w.name, func(t *testing.T) {
			n := 0
			for round := range max(1, *ioRounds) {
				n += w.round(t, uint64(round+1))
			}
			t.Logf("%s: %d errors", w.name, n)
			total += n
			require.Positive(t, n)
		})
	}
	t.Logf("%d errors injected at calls of %d works: 0 false successes, nothing left over, each next attempt succeeded", total, len(works))
}

func (w work) round(t *testing.T, seed uint64) (injected int) {
	tap := disktest.NewTap(&disktest.Mem{}, "/")
	l := newLife(t, seed, tap)
	l.live(12)
	for i, f := range faults {
		w.prep(l)
		tap.Forget()
		require.NoError(t, w.do(l))
		for _, n := range callsOf(tap, i) {
			if !w.under(t, l, tap, n, f.name, f.err) {
				break
			}
			injected++
			l.tidy()
		}
	}
	return injected
}

// callsOf are the numbers of the calls that shall fail, of those that the tap saw when
// the work was done without errors: all, or a few from the ith on.
func callsOf(tap *disktest.Tap, i int) (numbers []int) {
	calls, stride := tap.Calls(), 1
	if *ioRounds == 0 {
		stride = 1 + calls/ioFew()
	}
	for n := 1 + i%stride; n <= calls; n += stride {
		numbers = append(numbers, n)
	}
	return numbers
}

// tidy keeps the vault small, as a hub does.
func (l *life) tidy() {
	l.now = l.now.Add(window / 8)
	l.shipAll()
	l.retain()
	_, err := l.vault.Log().Merge(ctx, changelog.MergeOptions{Fanout: 4})
	require.NoError(l.t, err)
}

// under does the work with the error at its nth call (its nth write, for short ones). It
// says whether there was such a call.
func (w work) under(t *testing.T, l *life, tap *disktest.Tap, n int, kind string, fault error) bool {
	w.prep(l)
	met := failNth(tap, n, fault, w.stays)
	err := w.do(l)
	tap.Before(nil)
	call := met.Load()
	l.met = call
	if call == nil {
		require.NoError(t, err)
		return false
	}
	at := fmt.Sprintf("%s, %s at call %d, %v; it said %v", w.name, kind, n, *call, err)
	require.NoError(t, l.sound(), at)
	if err == nil && (w.bears == nil || !w.bears(*call)) {
		require.NoError(t, w.done(l), "a false success: %s", at)
	}
	require.NoError(t, w.do(l), "the next attempt: %s", at)
	l.met = nil
	require.NoError(t, w.done(l), "after the next attempt: %s", at)
	require.NoError(t, l.sound(), at)
	return true
}

// failNth lets the nth call fail (the nth write, for short ones); where it stays, then
// all of its kind and name. It returns the call, once it has come.
func failNth(tap *disktest.Tap, n int, fault error, stays bool) *atomic.Pointer[disktest.Call] {
	var seen atomic.Int64
	var met atomic.Pointer[disktest.Call]
	tap.Before(func(c disktest.Call) error {
		if m := met.Load(); stays && m != nil && *m == c {
			return fault
		}
		if errors.Is(fault, disktest.ErrShort) && c.Verb != disktest.Write || seen.Add(1) != int64(n) {
			return nil
		}
		met.Store(&c)
		return fault
	})
	return &met
}

// sound looks at the disk afresh, as another process would: all that was promised is
// there and whole, and nothing is left over. Right after an error what could not be removed
// may be, and what retention was about to remove: the next attempt does that.
func (l *life) sound() error {
	found := leftovers(l.fs, "/")
	if l.met != nil {
		stuck := l.met.Verb == disktest.Remove || l.met.Verb == disktest.RemoveAll
		found = slices.DeleteFunc(found, func(name string) bool { return stuck || strings.Contains(name, "/"+disk.TempPrefix+"removed-") })
	}
	if len(found) > 0 {
		return fmt.Errorf("left over: %v", found)
	}
	v, err := vault.OpenReadOnly(l.fs, vaultDir)
	if err != nil {
		return err
	}
	if err := clean(v); err != nil {
		return err
	}
	now := l.steps()
	return errors.Join(l.checkSnapshots(v, now), l.checkRuns(v, now), l.checkShipped(v, now))
}

func leftovers(fsys disk.FS, dir string) (found []string) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := strings.TrimSuffix(dir, "/") + "/" + e.Name()
		if strings.HasPrefix(e.Name(), disk.TempPrefix) {
			found = append(found, name)
		} else if e.IsDir() {
			found = append(found, leftovers(fsys, name)...)
		}
	}
	return found
}

// fresh opens the vault as another process would.
func (l *life) fresh() *vault.Vault {
	v, err := vault.OpenReadOnly(l.fs, vaultDir)
	require.NoError(l.t, err)
	return v
}

func (l *life) someCommits() {
	for _, name := range names {
		l.commit(name, 2)
	}
}

func isShipped(l *life) error {
	for _, name := range names {
		st, _ := l.fresh().Log().Last(name)
		if want := l.stores[name].Ledger(); st.After.Commits != want.Commits || !st.After.Agrees(want) {
			return fmt.Errorf("table %s: the log has %+v of %+v", name, st.After, want)
		}
	}
	return nil
}

// isBackedUp: the newest run is recorded, and its snapshots are there; [life.sound] reads
// every byte of them.
func isBackedUp(l *life) error {
	v := l.fresh()
	run, err := v.Run(fmt.Sprintf("run%09d", l.ran))
	if err != nil {
		return err
	}
	for _, r := range run.Results {
		if _, err := v.Resolve(r.Table, r.Snapshot); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) scratch() string {
	l.built++
	return fmt.Sprintf("%s/%d", l.dir, l.built)
}

var works = []work{
	{name: "ship", prep: (*life).someCommits, do: (*life).tryShip, done: isShipped},
	{name: "merge", prep: func(l *life) {
		for range 3 {
			l.someCommits()
			l.shipAll()
		}
	}, do: func(l *life) error {
		_, err := l.vault.Log().Merge(ctx, changelog.MergeOptions{Fanout: 3})
		return err
	}, done: isShipped},
	{name: "backup of records", prep: (*life).someCommits, do: func(l *life) error { return l.tryBackup(false, false) }, done: isBackedUp},
	{name: "backup of files", prep: (*life).manyTables, do: func(l *life) error { return l.tryBackup(true, false) }, done: isBackedUp},
	{name: "backup as a chain", prep: (*life).someCommits, do: func(l *life) error { return l.tryBackup(false, true) }, done: isBackedUp},
	{name: "retention", prep: func(l *life) {
		l.now = l.now.Add(window / 2)
		l.someCommits()
		l.shipAll()
		require.NoError(l.t, l.tryBackup(false, false))
	}, do: (*life).tryRetain, done: isRetained, bears: func(c disktest.Call) bool {
		return !c.Changes() // what it cannot read stays, and it says what it removed
	}},
	{name: "drill", prep: func(l *life) { require.NoError(l.t, l.tryBackup(false, false)) }, do: (*life).drillNewest, done: isProven},
	{name: "verify", stays: true, prep: func(*life) {}, do: (*life).verifies, done: (*life).wasRead},
	{name: "restore of a snapshot", prep: func(*life) {}, do: (*life).buildsSnapshot, done: (*life).isBuilt},
	{name: "restore of a moment", prep: func(l *life) { l.someCommits(); l.shipAll() }, do: (*life).buildsMoment, done: (*life).isBuilt},
}
