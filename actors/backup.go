package actors

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
)

// What starts a run.
const (
	TriggerSchedule = "schedule"
	TriggerAPI      = "api"
	TriggerRequest  = "request"
	TriggerHTTP     = "http"
	TriggerCLI      = "cli"
)

// BackupRef is how everybody else talks to the backup actor.
type BackupRef struct{ b *backup }

// Backup backs up the named tables, all where none is named, and waits for the
// result. One run goes at a time. A trigger that comes before its cut and asks for
// no more tables joins it; later ones share one next run. So what the caller wrote
// before is in the result. When ctx ends first the run goes on without the caller.
//
// A run that did not succeed in every table is returned with a [RunError].
func (r *BackupRef) Backup(ctx context.Context, trigger string, tables ...string) (vault.Run, error) {
	names, err := r.b.known(tables)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return vault.Run{}, err
	}
	m := &backupMsg{tables: names, trigger: trigger, reply: newReply[vault.Run]()}
	r.b.send(m)
	return m.reply.await(ctx, r.b.stopped)
}

// NextScheduled returns when the next scheduled run is due, the zero time where none is.
func (r *BackupRef) NextScheduled() time.Time {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	return r.b.nextRun
}

// Running tells the tables of the run under way, nil where there is none.
func (r *BackupRef) Running() []string {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	return r.b.running
}

// UnderWay tells the tables of the run under way, nil where there is none, and when it
// began.
func (r *BackupRef) UnderWay() (tables []string, since time.Time) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	return r.b.running, r.b.lastRun
}

// backup is what the backup actor's instances share.
type backup struct {
	cfg     *Config
	tables  []*TableRef
	pid     *actor.PID
	armed   chan struct{} // closed when its first schedule is set
	arming  sync.Once
	stopped chan struct{}
	work    sync.WaitGroup
	turn    chan struct{} // holds one token: a crashed instance's run ends before the next one begins
	// quitting outlives the instance that was asked to quit, should it crash.
	quitting atomic.Bool

	mu      sync.Mutex
	nextRun time.Time
	running []string
	lastRun time.Time // start of the last one, or what the schedule goes on from
	epoch   uint64
}

func (b *backup) send(m backupMsgs) { b.cfg.System.Root.Send(b.pid, m) }

// known returns the sorted names of the tables asked for; none asks for all.
func (b *backup) known(tables []string) ([]string, error) {
	var all []string
	for _, t := range b.tables {
		all = append(all, t.Name())
	}
	if len(tables) == 0 {
		return all, nil
	}
	for _, name := range tables {
		if !slices.Contains(all, name) {
			return nil, unknownTable(name, all)
		}
	}
	names := slices.Clone(tables)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// backupMsgs is a message to the backup actor.
type backupMsgs interface{ backupMsg() }

type (
	// backupMsg asks for a run.
	backupMsg struct {
		tables  []string
		trigger string
		reply   reply[vault.Run]
	}
	// cutMsg starts the gathered run; it lies behind all triggers that were queued.
	cutMsg struct{ epoch uint64 }
	// ranMsg brings the outcome of a run.
	ranMsg struct {
		epoch uint64
		order *order
		run   vault.Run
		err   error
	}
	// scheduleMsg says that a scheduled run may be due.
	scheduleMsg struct{ epoch uint64 }
	// quitMsg aborts the run under way and stops the actor after it.
	quitMsg struct{}
)

func (*backupMsg) backupMsg()   {}
func (*cutMsg) backupMsg()      {}
func (*ranMsg) backupMsg()      {}
func (*scheduleMsg) backupMsg() {}
func (*quitMsg) backupMsg()     {}

// order is a run that is gathered or under way, and who waits for it.
type order struct {
	tables  []string
	trigger string
	waiters []reply[vault.Run]
}

func (o *order) add(m *backupMsg) {
	o.tables = append(o.tables, m.tables...)
	slices.Sort(o.tables)
	o.tables = slices.Compact(o.tables)
	o.waiters = append(o.waiters, m.reply)
}

func (o *order) answer(run vault.Run, err error) {
	for _, w := range o.waiters {
		w.give(run, err)
	}
}

var errBackupCrashed = fmt.Errorf("the backup actor crashed and starts again: %w", storage.ErrUnavailable)

// backupActor is one instance of the backup actor.
type backupActor struct {
	*backup
	mine    uint64
	current backupMsgs // being handled, for answering it after a panic
	waiting *order     // gathers triggers; its cut is still to come
	now     *order     // under way
	cancel  context.CancelFunc
	timer   interface{ Stop() bool }
	quit    bool
}

func newBackupActor(b *backup) *backupActor {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch++
	return &backupActor{backup: b, mine: b.epoch, quit: b.quitting.Load()}
}

// Receive implements actor.Actor.
func (a *backupActor) Receive(c actor.Context) {
	if a.cfg.Probe != nil {
		a.probe(c)
		return
	}
	a.receive(c)
}

func (a *backupActor) receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.arm()
		a.arming.Do(func() { close(a.armed) })
	case *actor.Restarting:
		a.crashed()
		a.abort(errBackupCrashed)
	case *actor.Stopping:
	case *actor.Stopped:
		a.abort(fmt.Errorf("backup: %w", storage.ErrClosed))
		close(a.stopped)
	case backupMsgs:
		a.current = m
		a.handle(m)
		a.current = nil
	default:
		a.cfg.Logger.Error("backup actor got an unknown message", "type", fmt.Sprintf("%T", m))
	}
	if a.quit && a.now == nil {
		c.Stop(c.Self())
	}
}

func (a *backupActor) handle(m backupMsgs) {
	switch m := m.(type) {
	case *backupMsg:
		a.take(m)
	case *cutMsg:
		if m.epoch == a.mine && a.now == nil && a.waiting != nil {
			a.run()
		}
	case *ranMsg:
		a.ran(m)
	case *scheduleMsg:
		if m.epoch == a.mine && a.due() {
			names, _ := a.known(nil)
			a.take(&backupMsg{tables: names, trigger: TriggerSchedule, reply: newReply[vault.Run]()})
		}
	case *quitMsg:
		a.quit = true
		if a.cancel != nil {
			a.cancel()
		}
	}
}

// crashed answers whom the message that could not be handled concerns. A run that
// ended has its result, whatever became of its actor.
func (a *backupActor) crashed() {
	switch m := a.current.(type) {
	case *backupMsg:
		m.reply.give(vault.Run{}, errBackupCrashed)
	case *ranMsg:
		m.order.answer(m.run, m.err)
	}
}

// take lets a trigger join the run that waits for its cut, or begins to gather one.
func (a *backupActor) take(m *backupMsg) {
	switch {
	case a.quit:
		m.reply.give(vault.Run{}, fmt.Errorf("backup: %w", storage.ErrClosed))
	case a.waiting == nil:
		a.waiting = &order{trigger: m.trigger}
		a.waiting.add(m)
		if a.now == nil {
			a.send(&cutMsg{a.mine})
		}
	default:
		a.waiting.add(m)
	}
}

// run starts what was gathered, on a goroutine.
func (a *backupActor) run() {
	a.now, a.waiting = a.waiting, nil
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	o, epoch := a.now, a.mine
	a.mu.Lock()
	a.running, a.lastRun = o.tables, a.cfg.Wall.Now()
	a.mu.Unlock()
	a.work.Add(1)
	go func() {
		defer a.work.Done()
		defer cancel()
		a.turn <- struct{}{}
		run, err := a.perform(ctx, o.tables, o.trigger)
		<-a.turn
		a.send(&ranMsg{epoch: epoch, order: o, run: run, err: err})
	}()
}

func (a *backupActor) ran(m *ranMsg) {
	if m.epoch != a.mine || m.order != a.now {
		return
	}
	a.now.answer(m.run, m.err)
	a.now, a.cancel = nil, nil
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
	a.arm()
	if a.waiting != nil && !a.quit {
		a.send(&cutMsg{a.mine})
	}
}

// abort answers everybody and ends the run under way; its goroutine sees that it
// belongs to no instance any more.
func (a *backupActor) abort(err error) {
	if a.cancel != nil {
		a.cancel()
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	for _, o := range []*order{a.now, a.waiting} {
		if o != nil {
			o.answer(vault.Run{}, err)
		}
	}
	a.now, a.waiting = nil, nil
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
}
