package agenthub

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/app"
)

// Task is a piece of work.
type Task struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	Generation int             `json:"generation"` // how often it was taken
	Agent      string          `json:"agent,omitempty"`
	LeaseUntil time.Time       `json:"lease_until,omitzero"`
	Token      app.Version     `json:"token,omitempty"` // proves that the task is still yours
	Result     json.RawMessage `json:"result,omitempty"`
	Error      string          `json:"error,omitempty"` // of the last try that failed
}

// A task's key in task_queue begins with its state: open, done, or dead, which is on
// its way to task_dead_letter. So taking one reads only what is open, the oldest first.
const open, done, dead = "open/", "done/", "dead/"

// Submit puts a task into the queue.
func (h *Hub) Submit(ctx context.Context, r Task) (Task, error) {
	t := Task{ID: fmt.Sprintf("%016d-%s", h.now().UnixMicro(), rand.Text()), Kind: r.Kind, Payload: r.Payload}
	_, err := h.queue.Create(ctx, open+t.ID, t)
	return t, err
}

// Take gives r.Agent the oldest task that is free, until its lease ends. Of two
// agents that want the same one, one gets it and the other goes on to the next.
func (h *Hub) Take(ctx context.Context, r Task) (Task, error) {
	if err := checkNames(r.Agent); err != nil {
		return Task{}, err
	}
	for row, err := range h.queue.Scan(ctx, app.Range{Prefix: []byte(open)}) {
		switch t := row.Value; {
		case err != nil || h.now().Before(t.LeaseUntil):
		case t.Generation >= h.cfg.Tries:
			t.Error = "the lease ran out"
			err = h.bury(ctx, t, row.Version)
		default:
			t.Generation, t.Agent, t.LeaseUntil = t.Generation+1, r.Agent, h.now().Add(h.cfg.Lease)
			if t.Token, err = h.queue.Replace(ctx, row.Key, t, row.Version); err == nil {
				return t, nil
			}
		}
		if err != nil && !errors.Is(err, app.ErrConflict) {
			return Task{}, err
		}
	}
	return Task{}, fmt.Errorf("%w: no task waits", app.ErrNotFound)
}

// Finish ends the try whose token r has: with a result the task is done, with an
// error it is tried again, or dead after its last try. [app.ErrConflict] says that
// the task is not the agent's any more. What is done may be finished twice.
func (h *Hub) Finish(ctx context.Context, r Task) (Task, error) {
	t, _, err := h.queue.Get(ctx, done+r.ID)
	if err == nil && t.Token == r.Token {
		return t, nil // the answer was lost, so the agent asks again
	}
	t, version, err := h.queue.Get(ctx, open+r.ID)
	if errors.Is(err, app.ErrNotFound) || err == nil && (version != r.Token || t.Agent == "") {
		return Task{}, fmt.Errorf("%w: task %.80q is not yours any more", app.ErrConflict, r.ID)
	} else if err != nil {
		return Task{}, err
	}
	// Whatever happens from here on, the writes hold only while the token does.
	t.Result, t.Error = r.Result, r.Error
	switch {
	case t.Error == "":
		t.Token = r.Token
		err = h.move(ctx, t, r.Token, done, h.now().Add(24*time.Hour))
	case t.Generation >= h.cfg.Tries:
		err = h.bury(ctx, t, r.Token)
	default:
		t.Agent, t.LeaseUntil = "", time.Time{}
		_, err = h.queue.Replace(ctx, open+t.ID, t, r.Token)
	}
	return t, err
}

// move takes an open task to another state in one commit.
func (h *Hub) move(ctx context.Context, t Task, token app.Version, to string, expires time.Time) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = h.queue.Apply(ctx, app.Batch{
		{Key: []byte(open + t.ID), Delete: true, IfVersion: token},
		{Key: []byte(to + t.ID), Value: value, ExpiresAt: expires},
	})
	return err
}

// bury takes a task out of the queue for good. The commit in its own table decides;
// what follows may be done twice, and is done at the next start where it was not.
func (h *Hub) bury(ctx context.Context, t Task, token app.Version) error {
	if err := h.move(ctx, t, token, dead, time.Time{}); err != nil {
		return err
	}
	return h.inter(ctx)
}

// inter copies buried tasks to the other table and removes them from their own.
func (h *Hub) inter(ctx context.Context) error {
	for row, err := range h.queue.Scan(ctx, app.Range{Prefix: []byte(dead)}) {
		if err == nil {
			_, err = h.dead.Put(ctx, row.Value.ID, row.Value)
		}
		if err == nil {
			_, err = h.queue.Delete(ctx, row.Key)
		}
		if errors.Is(err, app.ErrUnavailable) {
			return nil // the hub starts all the same, so that somebody can restore the table
		} else if err != nil {
			return err
		}
	}
	return nil
}
