package harness_test

import (
	"encoding/json"
	"github.com/brockdb/brock/test/extent"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// tableStates bring table a into a state; what they return ends it.
var tableStates = []struct {
	name  string
	after []harness.Message // what comes only after the state
	enter func(*reactor) (leave func())
}{
	{"opening", []harness.Message{harness.Opened}, func(r *reactor) func() {
		held := r.p.On(harness.Opened).Hold()
		r.crash()
		r.h.Advance(time.Minute)
		held.Wait()
		return held.Lift
	}},
	{"serving", nil, func(*reactor) func() { return func() {} }},
	{"commit in flight", []harness.Message{harness.Committed}, func(r *reactor) func() {
		held := r.p.On(harness.Committed).Hold()
		r.put()
		held.Wait()
		return held.Lift
	}},
	{"holding for a cut", []harness.Message{harness.Flush, harness.Excuse}, func(r *reactor) func() {
		held := r.p.On(harness.Flush).Hold()
		r.backup()
		held.Wait()
		refused := r.p.On(harness.Committed).Nth(1).Pass()
		r.put()
		refused.Wait()
		refused.Lift()
		return held.Lift
	}},
	{"swapping", []harness.Message{harness.Exchanged, harness.Exchange}, func(r *reactor) func() {
		held := r.p.On(harness.Exchanged).Hold()
		r.compact()
		held.Wait()
		return held.Lift
	}},
	{"unavailable", nil, func(r *reactor) func() {
		r.crash()
		other := r.occupy()
		failed := r.p.On(harness.Opened).Pass()
		r.h.Advance(time.Minute)
		failed.Wait()
		failed.Lift()
		return func() { require.NoError(r.t, other.Close(r.t.Context())) }
	}},
	{"crashed", nil, func(r *reactor) func() { r.crash(); return func() {} }},
	{"quarantined", nil, func(r *reactor) func() {
		r.hurt()
		r.find()
		return func() {}
	}},
	{"stopping", []harness.Message{harness.Committed, harness.Stop}, func(r *reactor) func() {
		held := r.p.On(harness.Committed).Hold()
		r.put()
		held.Wait()
		stop := r.p.On(harness.Stop).Pass()
		r.close()
		stop.Wait()
		stop.Lift()
		return held.Lift
	}},
}

// occupy opens table a's store, as another process might, when its crashed actor has
// let go of it.
func (r *reactor) occupy() (s *storage.Store) {
	dir := filepath.Join(r.h.Dir, "data", "tables", "a")
	require.Eventually(r.t, func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "table.json"))
		require.NoError(r.t, err)
		var marker struct{ Current string }
		require.NoError(r.t, json.Unmarshal(b, &marker))
		s, err = storage.Open(filepath.Join(dir, "store", marker.Current), "a", storage.Options{Logger: slog.New(slog.DiscardHandler)})
		return err == nil
	}, 20*time.Second, time.Millisecond)
	return s
}

// modes are what befalls the message.
var modes = []struct {
	name    string
	arm     func(*harness.Rule) *harness.Fault
	crashes bool
}{
	{"once", (*harness.Rule).Pass, false},
	{"twice", (*harness.Rule).Twice, false},
	{"crash before", (*harness.Rule).Panic, true},
	{"crash after", (*harness.Rule).PanicAfter, true},
}

// give makes the message come to table a; what it returns is closed when there is
// an answer without one.
func (r *reactor) give(m harness.Message) <-chan struct{} {
	switch m {
	case harness.Apply:
		return r.put()
	case harness.Flush:
		return r.backup()
	case harness.Excuse:
		return r.backup("b")
	case harness.Exchange:
		return r.compact()
	case harness.Stop:
		return r.close()
	}
	r.p.Replay(m)
	return nil
}

// came waits until the fault met its message, or the call that should make it come
// was answered without it.
func (r *reactor) came(fault *harness.Fault, answered <-chan struct{}) {
	if answered == nil {
		fault.Wait()
		return
	}
	select {
	case <-fault.Met():
	case <-answered:
		if fault.Hits() == 0 {
			fault.Lift()
		}
	}
}

// TestEveryMessageInEveryStateOfATable gives each message to a table in each state,
// fresh or as a late duplicate, once, twice, and such that the actor crashes on it.
// Whatever comes of it, promises hold.
func TestEveryMessageInEveryStateOfATable(t *testing.T) {
	for i, state := range tableStates {
		t.Run(state.name, func(t *testing.T) {
			r := newReactor(t)
			r.prelude()
			for j, m := range harness.TableMessages() {
				for _, mode := range extent.Of(modes, 2*len(modes), i+j) {
					if !t.Run(string(m)+" "+mode.name, func(t *testing.T) {
						r.t = t
						leave := state.enter(r)
						fault := mode.arm(r.p.On(m).Nth(1))
						answered := r.give(m)
						if !slices.Contains(state.after, m) {
							r.came(fault, answered)
						}
						leave()
						r.calls.Wait()
						stops := m == harness.Stop || state.name == "stopping"
						if stops {
							r.h.Restart()
						}
						if mode.crashes && fault.Hits() > 0 {
							fault.Wait()
						}
						fault.Lift()
						r.settle()
						if stops {
							r.prelude() // what the closed hub got cannot be replayed
						}
					}) {
						t.FailNow()
					}
				}
			}
		})
	}
}
