package actors

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// crashAfter makes table a crash when it has handled its next message of the type.
func crashAfter(message string, armed *atomic.Bool) Probe {
	return func(d Delivery) {
		d.Handle()
		if d.Actor == TableActor("a") && d.Message == message && armed.CompareAndSwap(true, false) {
			panic("the test makes the actor crash after " + message)
		}
	}
}

// A batch whose commit is under way is answered by the commit, not by the crash of
// the actor: "nothing was written" would be a lie.
func TestACrashDoesNotAnswerForACommitUnderWay(t *testing.T) {
	var armed, slow atomic.Bool
	reached, gate := make(chan struct{}), make(chan struct{})
	restarted := make(chan struct{})
	crash := crashAfter("apply", &armed)
	r := newRig(t, func(c *Config) {
		c.Probe = func(d Delivery) {
			if handle := d.Handle; armed.Load() && d.Message == "apply" {
				d.Handle = func() { handle(); <-reached } // the commit is under way before the crash
			}
			if d.Message == "restarting" {
				defer close(restarted)
			}
			crash(d)
		}
		c.Store.MinFree = 1
		c.Store.Free = func(string) (uint64, error) {
			if slow.Load() {
				close(reached)
				<-gate
				slow.Store(false)
			}
			return 1 << 40, nil
		}
	}, "a")
	armed.Store(true)
	slow.Store(true)
	type outcome struct {
		v   storage.Version
		err error
	}
	answered := make(chan outcome, 1)
	go func() {
		v, err := r.table("a").Apply(r.ctx(), storage.Batch{{Key: []byte("k"), Value: []byte("v")}})
		answered <- outcome{v, err}
	}()
	<-reached
	<-restarted
	select {
	case o := <-answered:
		t.Fatalf("answered with %v while the commit was under way", o.err)
	default:
	}
	close(gate)
	o := <-answered
	require.NoError(t, o.err)
	require.Eventually(t, func() bool {
		rec, err := r.table("a").Get([]byte("k"))
		return err == nil && rec.Version == o.v
	}, waitFor, tick)
}

// What a table counts as waiting is what waits, whatever crashes.
func TestCrashesCountEachWriteOnce(t *testing.T) {
	for _, message := range []string{"apply", "committed"} {
		var armed atomic.Bool
		r := newRig(t, func(c *Config) { c.Probe = crashAfter(message, &armed) }, "a")
		a := r.table("a")
		for range 3 {
			armed.Store(true)
			_, err := a.Apply(r.ctx(), storage.Batch{{Key: []byte("k")}})
			if err != nil {
				require.True(t, errors.Is(err, storage.ErrUnavailable), "%s: %v", message, err)
			}
			require.Eventually(t, func() bool {
				_, err := a.Apply(r.ctx(), storage.Batch{{Key: []byte("k")}})
				return err == nil && !armed.Load()
			}, waitFor, tick)
		}
		require.Eventually(t, func() bool { return a.t.waiting.Load() == 0 && a.t.bytes.Load() == 0 }, waitFor, tick,
			"%s: %d waiting", message, a.t.waiting.Load())
	}
}

const (
	waitFor = 20 * time.Second
	tick    = 5 * time.Millisecond
)
