// Package agenthub is a small agent hub on Brock, an example to copy from. Its agents ask
// it over NATS:
//
//	agents.task.submit      {"kind", "payload"}                   a task
//	agents.task.take        {"agent"}                             a task with its token, or 404
//	agents.task.finish      {"id", "token", "result" or "error"}  the task, or 409: not yours any more
//	agents.mail.send        {"from", "to", "body"}                the message with its number
//	agents.mail.read        {"agent", "done": [1, 2]}             what waits; what is done is removed
//	agents.channel.post     {"from", "to", "body"}                the message with its number
//	agents.channel.history  {"channel", "after"}                  100 messages after that number
//
// Nothing is kept in memory: a hub that is killed goes on where it was. A task's token
// is the version that taking it wrote; finishing fails when its record has another one. A
// batch is atomic within one table; where two take part, see Hub.bury.
package agenthub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// Config of an agent hub.
type Config struct {
	Brock app.Config    // the hub below; Data is required. Agents come in with any of its credentials
	Lease time.Duration // how long an agent may work on a task; default 5 minutes
	Tries int           // how often a task is given out before it is dead; default 3
}

// Hub is an agent hub. Its methods may be called from any goroutine. Their errors are
// Brock's: app.ErrInvalid, app.ErrNotFound, app.ErrConflict and so on.
type Hub struct {
	Brock           *app.Hub // for backup, restore and health
	cfg             Config
	queue, dead     app.JSONTable[Task]
	mailbox, mail   app.JSONTable[Message] // what waits to be read, and all there ever was
	channels, posts app.JSONTable[Message] // each channel's first message, and all of them
	nc              *nats.Conn
	service         micro.Service
	mu              sync.Mutex // guards closed, and keeps work from starting after it
	closed          bool
	work            sync.WaitGroup // requests under way
}

// Open opens the hub and serves agents until Close.
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	cfg.Brock.Subjects = append(cfg.Brock.Subjects, app.Subject{Name: "agents.>", Publish: app.Viewer})
	cfg.Lease, cfg.Tries = cmp.Or(cfg.Lease, 5*time.Minute), cmp.Or(cfg.Tries, 3)
	cfg.Brock = cfg.Brock.WithDefaults() // also the clock, which leases go by
	brock, err := app.Open(ctx, cfg.Brock)
	if err != nil {
		return nil, err
	}
	h := &Hub{cfg: cfg, Brock: brock}
	err = errors.Join( // the handles stay good across restores
		bind(h, "task_queue", &h.queue), bind(h, "task_dead_letter", &h.dead),
		bind(h, "agent_mailbox", &h.mailbox), bind(h, "message_history", &h.mail),
		bind(h, "agent_channels", &h.channels), bind(h, "channel_history", &h.posts))
	if err == nil {
		err = errors.Join(h.inter(ctx), h.serve())
	}
	if err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return h, nil
}

func bind[T any](h *Hub, name string, to *app.JSONTable[T]) error {
	t, err := h.Brock.Table(name)
	*to = app.JSON[T](t)
	return err
}

// Close takes no more requests and closes the tables, which commit what is queued.
// Requests that come too late get an error; their agents ask again.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	defer h.work.Wait()
	if h.service == nil {
		return h.Brock.Close(ctx)
	}
	return errors.Join(h.service.Stop(), h.Brock.Close(ctx))
}

func (h *Hub) now() time.Time { return h.cfg.Brock.Wall.Now().UTC() }

// checkNames refuses what cannot be a part of a key that ends with "/".
func checkNames(names ...string) error {
	for _, name := range names {
		if name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("%w name %.80q", app.ErrInvalid, name)
		}
	}
	return nil
}
