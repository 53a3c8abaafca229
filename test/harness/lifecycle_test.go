package harness_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// An actor that crashes on the message that shall end it ends nevertheless.
func TestCrashesWhileTheHubCloses(t *testing.T) {
	for _, m := range []harness.Message{harness.Stop, harness.Quit} {
		for name, arm := range map[string]func(*harness.Rule) *harness.Fault{"before": (*harness.Rule).Panic, "after": (*harness.Rule).PanicAfter} {
			t.Run(string(m)+" "+name, func(t *testing.T) {
				h := harness.New(t, harness.Tables("a", "b"), harness.Offline())
				h.Put("a", "k", "v")
				p := h.TableProbe("a")
				if m == harness.Quit {
					p = h.BackupProbe()
				}
				arm(p.On(m))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				require.NoError(t, h.Hub().Close(ctx))
			})
		}
	}
}

// A table whose actor crashes on its freshly opened store comes up at the next try:
// the store that nobody took over is closed.
func TestACrashOnAnOpenedStore(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline(), harness.Stopped())
	h.TableProbe("a").On(harness.Opened).Nth(1).Panic()
	second := h.TableProbe("a").On(harness.Opened).Nth(1).PanicAfter() // of those that the first leaves
	h.Start()
	second.Wait()
	h.AwaitServing("a")
	h.Put("a", "k", "v")
	require.Equal(t, "v", h.Get("a", "k"))
}

// A duplicate of what opened the store does not close it.
func TestDuplicateRepliesChangeNothing(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	w := h.Workload("a", 1)
	w.Run(20)
	p := h.TableProbe("a")
	for _, m := range []harness.Message{harness.Opened, harness.Committed, harness.FoundDue, harness.Due} {
		handled := p.On(m).Nth(1).Pass()
		p.Replay(m)
		handled.Wait()
		w.Run(10)
		w.Check()
	}
	p.On(harness.Committed).Twice()
	w.Run(50)
	w.Check()
	first := h.Backup()
	h.BackupProbe().On(harness.Ran).Twice()
	for range 3 {
		require.NotEqual(t, first.ID, h.Backup().ID, "a run's result goes to those who waited for it")
	}
}

// Every writer is told, and the room that its write took is free again, whatever
// crashes: a table that counts wrong would refuse for ever.
func TestCrashesLeaveNoRoomTaken(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline(), harness.FakeClock(noon), harness.ConfigureActors(func(c *actors.Config) { c.Queue = 4 }))
	for _, m := range []harness.Message{harness.Apply, harness.Committed} {
		for _, arm := range []func(*harness.Rule) *harness.Fault{(*harness.Rule).Panic, (*harness.Rule).PanicAfter} {
			for range 3 {
				fault := arm(h.TableProbe("a").On(m).Nth(1))
				_, err := h.Table("a").Put(t.Context(), []byte("k"), nil)
				if err != nil {
					require.True(t, errors.Is(err, app.ErrUnavailable), "%s: %v", m, err)
				}
				fault.Wait()
				h.AwaitServing("a")
			}
		}
	}
	h.Put("a", "k", "v")
}
