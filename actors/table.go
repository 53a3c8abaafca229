package actors

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
)

// State of a table.
type State string

// The states. Only an open table serves; see [Status].
const (
	Opening     State = "opening"
	Serving     State = "ok"
	Unavailable State = "unavailable"
	Restoring   State = "restoring"
	Closed      State = "closed"
)

// Status is a table's state, and why where it does not serve.
type Status struct {
	State State
	Err   error
}

// table is what a table's actor, in whatever instance, shares with its refs.
type table struct {
	cfg  *Config
	conf TableConfig
	log  *slog.Logger
	pid  *actor.PID
	tap  *changelog.Tap // nil: no change log

	store     atomic.Pointer[storage.Store] // nil while the table does not serve
	status    atomic.Pointer[Status]
	restoring atomic.Int32                  // restores under way; the table may serve meanwhile
	last      atomic.Pointer[storage.Store] // opened last; the end closes it, also where its message found no actor
	sick      atomic.Pointer[Quarantine]    // why it is quarantined; nil: it is not

	closing atomic.Bool // no more writes are let in
	// stopAsked outlives the instance that was asked to stop, should it crash.
	stopAsked atomic.Bool
	waiting   atomic.Int64
	bytes     atomic.Int64

	ready   chan struct{} // closed when the first open has ended, well or not
	opened  sync.Once
	stopped chan struct{} // closed when the actor has stopped
	work    sync.WaitGroup
	closers closers // of stores that are no longer the table's

	retired  sync.Map       // replaced stores that are still being read
	retiring sync.WaitGroup // of them

	mail    *lane // runs the actor
	commits *lane // runs its commits

	epoch    atomic.Uint64 // of the actor's newest instance
	crashes  atomic.Int32  // in a row
	maintain chan struct{} // holds one token: restores and compactions go one by one

	dirMu   sync.Mutex // opens and swaps exclude each other
	dir     *storage.TableDir
	opening opening
}

func newTable(cfg *Config, tc TableConfig) *table {
	t := &table{cfg: cfg, conf: tc, log: cfg.Logger.With("table", tc.Name), tap: cfg.Log.Tap(tc.Name),
		ready: make(chan struct{}), stopped: make(chan struct{}), maintain: make(chan struct{}, 1), mail: newLane(), commits: newLane()}
	t.opening.turn, t.opening.pass = atOnce, func() {}
	t.setStatus(Opening, nil)
	t.tap.OnDamage(t.damaged)
	if q := tc.Quarantine; q != nil {
		t.sick.Store(&Quarantine{Store: q.Store, Err: q.Err, Known: q.Known, Seen: q.Seen, told: true})
	}
	return t
}

func (t *table) setStatus(s State, err error) { t.status.Store(&Status{State: s, Err: err}) }

// send gives the actor a message. It never blocks; a stopped actor drops it.
func (t *table) send(m tableMsg) { t.cfg.System.Root.Send(t.pid, m) }

// spawn runs f on a goroutine that the table's end waits for.
func (t *table) spawn(f func()) {
	t.work.Add(1)
	go func() {
		defer t.work.Done()
		f()
	}()
}

// after sends the message when d has passed; the timer is the actor's to stop.
func (t *table) after(d time.Duration, m tableMsg) interface{ Stop() bool } {
	return t.cfg.Wall.AfterFunc(d, func() { t.send(m) })
}

// unavailable is the error for callers of a table that does not serve.
func (t *table) unavailable() error {
	st := t.status.Load()
	if st.State == Closed || t.closing.Load() {
		return &UnavailableError{Table: t.conf.Name, Err: storage.ErrClosed}
	}
	err := st.Err
	if q := t.sick.Load(); q != nil && st.State == Serving { // found a moment ago
		err = q.reason()
	}
	if err == nil {
		err = errOpening
	}
	return &UnavailableError{Table: t.conf.Name, Err: err}
}
