package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage"
)

// Group is the supervisor with its tables and backup actor.
type Group struct {
	cfg    *Config
	pid    *actor.PID
	tables []*TableRef
	backup *BackupRef
	once   sync.Once
	err    error
}

// Start starts the actors. Tables open behind it; see [Group.Ready].
func Start(cfg Config) (*Group, error) {
	cfg = cfg.withDefaults()
	g := &Group{cfg: &cfg}
	for _, tc := range cfg.Tables {
		g.tables = append(g.tables, &TableRef{newTable(&cfg, tc)})
	}
	arrangeOpens(g.tables)
	b := &backup{cfg: &cfg, tables: g.tables, turn: make(chan struct{}, 1), armed: make(chan struct{}), stopped: make(chan struct{}), lastRun: cfg.LastRun}
	g.backup = &BackupRef{b}
	ready := make(chan error, 1)
	props := actor.PropsFromProducer(func() actor.Actor { return &supervisor{g: g, ready: ready} },
		actor.WithSupervisor(restartAlways{}), actor.WithGuardian(restartAlways{}))
	pid, err := cfg.System.Root.SpawnNamed(props, "brock-"+cfg.Hub)
	if err != nil {
		for _, t := range g.tables {
			t.t.closeLanes()
		}
		return nil, fmt.Errorf("hub %s: its actors cannot start, one of that name runs in this actor system: %w", cfg.Hub, err)
	}
	g.pid = pid
	return g, <-ready
}

// restartAlways restarts a child that panicked, however often. The delays that
// grow are the child's own: between them it still answers, with an error.
type restartAlways struct{}

// HandleFailure implements actor.SupervisorStrategy.
func (restartAlways) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ interface{}) {
	s.RestartChildren(child)
}

// supervisor is the parent of the table actors and the backup actor.
type supervisor struct {
	g     *Group
	ready chan error
}

// Receive implements actor.Actor.
func (s *supervisor) Receive(c actor.Context) {
	if _, ok := c.Message().(*actor.Started); ok {
		s.ready <- s.spawn(c)
	}
}

func (s *supervisor) spawn(c actor.Context) error {
	for _, r := range s.g.tables {
		t := r.t
		// The actor's first message comes only after its PID is stored.
		props := actor.PropsFromProducer(func() actor.Actor { return newTableActor(t) },
			actor.WithOnInit(func(c actor.Context) { t.pid = c.Self() }), actor.WithDispatcher(t.mail))
		if _, err := c.SpawnNamed(props, "table-"+t.conf.Name); err != nil {
			return err
		}
	}
	b := s.g.backup.b
	_, err := c.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return newBackupActor(b) },
		actor.WithOnInit(func(c actor.Context) { b.pid = c.Self() })), "backup")
	return err
}

// Tables returns the refs of all tables, in the order of the configuration.
func (g *Group) Tables() []*TableRef { return g.tables }

// Table returns the ref of a table, or an error that matches [ErrUnknownTable].
func (g *Group) Table(name string) (*TableRef, error) {
	if t := g.backup.b.ref(name); t != nil {
		return t, nil
	}
	all, _ := g.backup.b.known(nil)
	return nil, unknownTable(name, all)
}

// Backup returns the ref of the backup actor.
func (g *Group) Backup() *BackupRef { return g.backup }

// Ready waits until every table is open or has been found unavailable, and the schedule
// of backups is set.
func (g *Group) Ready(ctx context.Context) error {
	for _, t := range g.tables {
		if err := t.Ready(ctx); err != nil {
			return err
		}
	}
	return wait(ctx, "the backup actor", g.backup.b.armed)
}

// Close ends the run under way, lets the tables commit what is queued, closes
// their stores and stops the actors. When ctx ends first it stops waiting and says
// so. Calls after the first return the same.
func (g *Group) Close(ctx context.Context) error {
	g.once.Do(func() { g.err = g.close(ctx) })
	return g.err
}

func (g *Group) close(ctx context.Context) error {
	for _, t := range g.tables {
		t.t.closing.Store(true)
	}
	b := g.backup.b
	b.quitting.Store(true)
	b.send(&quitMsg{})
	err := wait(ctx, "the backup actor", b.stopped)
	err = errors.Join(err, waitGroup(ctx, "the backup under way", &b.work))
	for _, r := range g.tables {
		r.t.stopAsked.Store(true)
		r.t.send(&stopMsg{})
	}
	for _, r := range g.tables {
		if wait(ctx, "table "+r.Name(), r.t.stopped) != nil {
			err = errors.Join(err, fmt.Errorf("table %s did not stop in time", r.Name()))
		}
	}
	g.cfg.System.Root.Stop(g.pid) // also children that hang in a suspended mailbox
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, r := range g.tables {
		all.Go(func() {
			if e := r.t.closeStores(ctx); e != nil {
				mu.Lock()
				defer mu.Unlock()
				err = errors.Join(err, e)
			}
		})
	}
	all.Wait()
	return err
}

// closeStores waits for the table's goroutines and for all its stores to close.
// When ctx ends first it goes on behind.
func (t *table) closeStores(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		t.noMaintenance()
		t.work.Wait()
		var err error
		if s := t.last.Load(); s != nil {
			err = s.Close(context.Background())
		}
		t.retired.Range(func(s, _ any) bool {
			_ = s.(*storage.Store).Close(context.Background()) // retire reports it
			return true
		})
		t.retiring.Wait()
		<-t.closers.ended()
		t.settled()
		t.closeLanes()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("table %s did not close in time: %w", t.conf.Name, ctx.Err())
	}
}

func (t *table) closeLanes() {
	t.mail.close()
	t.commits.close()
}

func wait(ctx context.Context, what string, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s took too long: %w", what, ctx.Err())
	}
}

func waitGroup(ctx context.Context, what string, g *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	return wait(ctx, what, done)
}
