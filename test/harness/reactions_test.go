package harness_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// reactor brings the actors of a hub into a state, gives them a message, and holds
// the hub to its promises afterwards.
type reactor struct {
	t *testing.T
	h *harness.Harness
	p *harness.Probe // of table a
	n int

	calls sync.WaitGroup // under way
	mu    sync.Mutex
	puts  map[string]error // by key, what was answered
	odd   []error          // answers that nobody may get
}

// daily is a schedule for hubs that have none because they are offline.
type daily struct{}

func (daily) Next(after time.Time) time.Time { return after.Add(24 * time.Hour) }

func newReactor(t *testing.T) *reactor {
	h := harness.New(t, harness.Tables("a", "b"), harness.Offline(), harness.FakeClock(noon),
		harness.PinWithin(time.Second), harness.ConfigureActors(func(c *actors.Config) { c.Schedule = daily{} }))
	return &reactor{t: t, h: h, p: h.TableProbe("a"), puts: map[string]error{}}
}

// call runs an operation beside the test and returns a channel that is closed when
// it was answered. Being unavailable or closed is an answer; silence is none.
func (r *reactor) call(f func(ctx context.Context) error) <-chan struct{} {
	done := make(chan struct{})
	r.calls.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err := f(ctx)
		var run *app.RunError
		var compaction *app.FailedError
		for _, fine := range []error{app.ErrUnavailable, app.ErrClosed, storage.ErrUnknownOutcome} {
			if errors.Is(err, fine) {
				return
			}
		}
		if err != nil && !errors.As(err, &run) && !errors.As(err, &compaction) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.odd = append(r.odd, err)
		}
	})
	return done
}

func (r *reactor) put() <-chan struct{} {
	r.n++
	key := fmt.Sprintf("key-%d", r.n)
	a := r.h.Table("a")
	return r.call(func(ctx context.Context) error {
		_, err := a.Put(ctx, []byte(key), []byte(key))
		r.mu.Lock()
		r.puts[key] = err
		r.mu.Unlock()
		return err
	})
}

func (r *reactor) backup(tables ...string) <-chan struct{} {
	hub := r.h.Hub()
	return r.call(func(ctx context.Context) error { _, err := hub.Backup(ctx, tables...); return err })
}

func (r *reactor) compact() <-chan struct{} {
	hub := r.h.Hub()
	return r.call(func(ctx context.Context) error { _, err := hub.Compact(ctx, "a"); return err })
}

func (r *reactor) close() <-chan struct{} {
	hub := r.h.Hub()
	return r.call(hub.Close)
}

// prelude makes table a get every message once, so that each can be replayed.
func (r *reactor) prelude() {
	h := r.h
	armed := r.p.On(harness.Committed).Nth(1).Pass()
	_, err := h.Table("a").PutUntil(r.t.Context(), []byte("due"), nil, h.Clock.Now().Add(time.Second))
	require.NoError(r.t, err)
	armed.Wait() // callers may hear of a commit before its actor
	armed.Lift()
	found := r.p.On(harness.FoundDue).Pass()
	h.Advance(2 * time.Second)
	found.Wait()
	found.Lift()
	h.Put("a", "first", "v")
	h.Put("b", "first", "v")
	h.Backup()
	h.Backup("b")
	<-r.compact()
	opened := r.p.On(harness.Opened).Hold()
	r.crash()
	h.Advance(time.Minute)
	opened.Wait()
	applied := r.p.On(harness.Apply).Nth(1).Pass()
	tick := r.p.On(harness.Tick).Nth(1).Pass()
	r.put() // waits for the store, so that there is something to gather
	applied.Wait()
	opened.Lift()
	tick.Wait()
	h.AwaitServing("a")
	seen := map[harness.Message]bool{}
	for _, m := range r.p.Got() {
		seen[m] = true
	}
	for _, m := range harness.TableMessages() {
		require.True(r.t, seen[m] || m == harness.Stop, "the prelude never made %s come", m)
	}
}

// crash makes table a crash and wait for its next open.
func (r *reactor) crash() {
	crash := r.p.On(harness.Apply).Nth(1).Panic()
	<-r.put()
	crash.Wait()
	crash.Lift()
}

// settle brings the hub back to serving and holds it to its promises: every call
// is answered, every acknowledged write is there and no other, the table agrees
// with its ledger, and the next backup has all of it.
func (r *reactor) settle() {
	t, h := r.t, r.h
	r.calls.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Empty(t, r.odd)
	r.serving()
	h.Put("a", "last", fmt.Sprint(r.n))
	found := map[string]string{}
	for rec, err := range h.Table("a").Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		found[string(rec.Key)] = string(rec.Value)
	}
	for key, err := range r.puts {
		if err == nil {
			require.Equal(t, key, found[key], "an acknowledged write is lost")
		} else if !errors.Is(err, storage.ErrUnknownOutcome) {
			require.NotContains(t, found, key, "it was answered with %v", err)
		}
	}
	require.Equal(t, 2, h.Backup().TablesSuccess)
}
