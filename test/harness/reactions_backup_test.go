package harness_test

import (
	"github.com/brockdb/brock/test/extent"
	"testing"
	"time"

	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// backupStates bring the backup actor into a state; what they return ends it.
var backupStates = []struct {
	name  string
	after harness.Message // what comes only after the state
	enter func(*reactor) (leave func())
}{
	{"idle", "", func(*reactor) func() { return func() {} }},
	{"gathering", harness.Cut, func(r *reactor) func() {
		held := r.h.BackupProbe().On(harness.Cut).Hold()
		r.backup()
		held.Wait()
		return held.Lift
	}},
	{"running", "", func(r *reactor) func() {
		held := r.h.FS.On(harness.OpWrite, "*.frames*").Hold()
		r.backup()
		held.Wait()
		return held.Lift
	}},
	{"answering", harness.Ran, func(r *reactor) func() {
		held := r.h.BackupProbe().On(harness.Ran).Hold()
		r.backup()
		held.Wait()
		return held.Lift
	}},
	{"quitting", harness.Quit, func(r *reactor) func() {
		held := r.h.FS.On(harness.OpWrite, "*.frames*").Hold()
		r.backup()
		held.Wait()
		quit := r.h.BackupProbe().On(harness.Quit).Pass()
		r.close()
		quit.Wait()
		quit.Lift()
		return held.Lift
	}},
}

// TestEveryMessageInEveryStateOfTheBackupActor does for the backup actor what
// TestEveryMessageInEveryStateOfATable does for tables.
func TestEveryMessageInEveryStateOfTheBackupActor(t *testing.T) {
	for i, state := range backupStates {
		t.Run(state.name, func(t *testing.T) {
			r := newReactor(t)
			p := r.h.BackupProbe()
			for j, m := range harness.BackupMessages() {
				for _, mode := range extent.Of(modes, 2*len(modes), i+j) {
					if !t.Run(string(m)+" "+mode.name, func(t *testing.T) {
						r.t = t
						r.scheduled()
						leave := state.enter(r)
						fault := mode.arm(p.On(m).Nth(1))
						came := r.giveBackup(p, m)
						if m == harness.Quit && mode.crashes {
							came = false // an actor that has quit is not made anew
						}
						if came && state.after != m {
							fault.Wait()
						}
						leave()
						r.calls.Wait()
						if mode.crashes && fault.Hits() > 0 && m != harness.Quit && state.name != "quitting" {
							fault.Wait()
						}
						fault.Lift()
						if m == harness.Quit || state.name == "quitting" {
							r.h.Restart()
						}
						r.settle()
					}) {
						t.FailNow()
					}
				}
			}
		})
	}
}

// scheduled makes the actor get each of its messages but quit.
func (r *reactor) scheduled() {
	p := r.h.BackupProbe()
	ran := p.On(harness.Ran).Pass()
	r.h.Advance(25 * time.Hour)
	// An actor that had not set its timer yet sets it for later, up to a day.
	for met := false; !met; {
		select {
		case <-ran.Met():
			met = true
		case <-time.After(5 * time.Second):
			r.h.Advance(25 * time.Hour)
		case <-r.t.Context().Done():
			r.t.FailNow()
		}
	}
	ran.Lift()
}

// giveBackup makes the message come to the backup actor; it says false for one
// that cannot come any more.
func (r *reactor) giveBackup(p *harness.Probe, m harness.Message) bool {
	switch m {
	case harness.Backup:
		r.backup("a")
	case harness.Quit:
		r.close()
		for _, got := range p.Got() {
			if got == harness.Quit {
				return false
			}
		}
	default:
		p.Replay(m)
	}
	return true
}

// A run that ended has its result, although its actor crashed on it; and the next
// run waits for the end of one whose actor crashed.
func TestBackupActorCrashesAroundARun(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.BackupProbe().On(harness.Ran).Nth(1).Panic()
	run := h.Backup()
	h.Expect(harness.BackupComplete(run.ID))

	slow := h.FS.On(harness.OpWrite, "*.frames*").Nth(1).Hold()
	h.BackupProbe().On(harness.Backup).Nth(2).Panic()
	first := make(chan error, 1)
	go func() { _, err := h.Hub().Backup(t.Context()); first <- err }()
	slow.Wait()
	_, err := h.Hub().Backup(t.Context())
	require.ErrorContains(t, err, "crashed")
	require.ErrorContains(t, <-first, "crashed", "who waited is told at once")
	started := h.BackupProbe().On(harness.Cut).Pass()
	second := make(chan error, 1)
	go func() { _, err := h.Hub().Backup(t.Context()); second <- err }()
	started.Wait()
	slow.Lift()
	require.NoError(t, <-second)
	failed := h.Expect(harness.BackupStarted(""), harness.BackupFailed("")) // the aborted one ends …
	next := h.Expect(harness.BackupStarted(""))                             // … before the next begins
	require.Less(t, failed.ID, next.ID)
}
