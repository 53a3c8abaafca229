package changelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/jonboulle/clockwork"
)

// ShipperConfig configures a [Shipper]. Log and Clock are needed.
type ShipperConfig struct {
	Log   *Log
	Clock *storage.Clock
	Wall  clockwork.Clock
	// Interval is how long a commit waits at most before it is shipped; default 1 s.
	Interval time.Duration
	// Idle is how often a hub without commits says that there were none; default 30 s.
	Idle time.Duration
	// Bytes that wait are shipped at once; default 8 MiB.
	Bytes int64
	// Memory bounds what waits in memory, in bytes; beyond it the stores are read.
	// Default 64 MiB.
	Memory int64
	// Cap bounds what the stores keep for a log that cannot be written, in bytes.
	// Beyond it they let go, and the log has a break. Default 1 GiB.
	Cap int64
	// Broke is told, before anything is let go, which tables' log will have a break,
	// and makes that durable. Where it fails nothing is let go.
	Broke func(tables []string, why error) error
	// Resumed is told which tables' logs went on after a break: from their state of
	// now, for which there should soon be a snapshot.
	Resumed func(tables []string)
	Logger  *slog.Logger
}

// Shipper brings the commits of a hub's tables into its change log, in the
// background: at an interval, and at once when much waits. The stores are the
// truth: what is not in memory (after a crash, after an outage) is read from them.
type Shipper struct {
	cfg ShipperConfig
	log *slog.Logger

	mu   sync.Mutex
	taps map[string]*Tap
	last error         // of the newest attempt
	at   time.Time     // of the newest success
	next chan struct{} // closed at the next one

	owed     atomic.Int64  // bytes committed since they were last shipped
	held     atomic.Int64  // bytes in memory
	shipping chan struct{} // holds one token: one ships at a time
	kick     chan struct{}
	grown    chan struct{} // there is a new segment
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// NewShipper returns a shipper. Taps may be taken from it at once; it ships after
// [Shipper.Start].
func NewShipper(cfg ShipperConfig) *Shipper {
	cfg.Interval = cmp.Or(cfg.Interval, time.Second)
	cfg.Idle = cmp.Or(cfg.Idle, 30*time.Second)
	cfg.Bytes = cmp.Or(cfg.Bytes, 8<<20)
	cfg.Memory = cmp.Or(cfg.Memory, 64<<20)
	cfg.Cap = cmp.Or(cfg.Cap, 1<<30)
	if cfg.Wall == nil {
		cfg.Wall = clockwork.NewRealClock()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Shipper{cfg: cfg, log: cfg.Logger, taps: map[string]*Tap{}, kick: make(chan struct{}, 1), grown: make(chan struct{}, 1), shipping: make(chan struct{}, 1), next: make(chan struct{})}
}

// Tap returns the table's tap, the same one each time. On a nil Shipper it is nil,
// and a nil tap does nothing.
func (s *Shipper) Tap(table string) *Tap {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.taps[table]; ok {
		return t
	}
	t := &Tap{s: s, table: table}
	if st, ok := s.cfg.Log.Last(table); ok {
		t.shipped, t.through = st.After, st.Through
	}
	s.taps[table] = t
	return t
}

// Start begins to ship.
func (s *Shipper) Start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.done.Add(2)
	go s.run(ctx)
	go s.tend(ctx)
}

// tend merges small segments into larger ones, beside the shipping.
func (s *Shipper) tend(ctx context.Context) {
	defer s.done.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.grown:
		}
		for done := true; done && ctx.Err() == nil; {
			var err error
			if done, err = s.cfg.Log.Merge(ctx, MergeOptions{}); err != nil && ctx.Err() == nil {
				s.log.Warn("segments of the change log could not be merged; it is tried again", "err", err)
			}
		}
	}
}

// Close ships what waits and ends. What could not be shipped the next start ships.
// When ctx ends first it returns an error and goes on ending behind: a broken disk
// can hang for ever.
func (s *Shipper) Close(ctx context.Context) error {
	if s == nil || s.stop == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Ship(ctx)
		s.stop()
		s.done.Wait()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the change log did not finish: %w", ctx.Err())
	}
}

func (s *Shipper) run(ctx context.Context) {
	defer s.done.Done()
	timer := s.cfg.Wall.NewTimer(s.cfg.Interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.Chan():
		case <-s.kick:
		}
		if s.due() {
			if _, err := s.Ship(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("the change log cannot be written; it is tried again", "err", err, "waiting_bytes", s.owed.Load())
			}
		}
		timer.Reset(s.cfg.Interval)
	}
}

// due says whether there is anything to ship, or silence to tell of.
func (s *Shipper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Wall.Since(s.at) >= s.cfg.Idle {
		return true
	}
	for _, t := range s.taps {
		if t.waits() {
			return true
		}
	}
	return false
}

// owe counts a commit in and sees to the bounds of memory.
func (s *Shipper) owe(t *Tap, size int64) {
	owed := s.owed.Add(size)
	if s.held.Add(size) > s.cfg.Memory {
		s.held.Add(-t.drop())
	}
	if owed >= s.cfg.Bytes {
		s.poke()
	}
}

// poke wakes the shipper.
func (s *Shipper) poke() { wake(s.kick) }

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Ship brings all that is committed by now into the log, and returns the version
// that every serving table is complete through. It is durable on return.
func (s *Shipper) Ship(ctx context.Context) (storage.Version, error) {
	select {
	case s.shipping <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("the change log is being written, and does not finish: %w", ctx.Err())
	}
	defer func() { <-s.shipping }()
	owed := s.owed.Load()
	through, err := s.ship(ctx)
	if err == nil {
		s.owed.Add(-owed)
		wake(s.grown)
	} else {
		s.overdue(err)
	}
	s.mu.Lock()
	if s.last = err; err == nil {
		s.at = s.cfg.Wall.Now()
		close(s.next)
		s.next = make(chan struct{})
	}
	s.mu.Unlock()
	return through, err
}

func (s *Shipper) ship(ctx context.Context) (storage.Version, error) {
	now, err := s.cfg.Clock.Next(storage.MaxVersion) // whatever comes later is above it
	if err != nil {
		return 0, err
	}
	var commits []Commit
	var states []TableState
	var breaks []string
	taps := s.all()
	for _, t := range taps {
		st, cs := t.collect(ctx, now)
		for _, c := range cs {
			commits = append(commits, Commit{Table: t.table, Commit: c})
		}
		if states = append(states, st); st.Break {
			breaks = append(breaks, t.table)
		}
	}
	slices.SortStableFunc(commits, func(a, b Commit) int { return cmp.Compare(a.Ledger.Version, b.Ledger.Version) })
	to, err := s.cfg.Clock.Next(storage.MaxVersion)
	if err != nil {
		return 0, err
	}
	head := Head{From: s.cfg.Log.Through(), To: to, Tables: states}
	if _, err := s.cfg.Log.Append(ctx, head, commits); err != nil {
		return 0, err
	}
	through := now
	for i, t := range taps {
		s.held.Add(-t.settle(states[i]))
		if t.serves() {
			through = min(through, states[i].Through)
		}
	}
	if len(breaks) > 0 && s.cfg.Resumed != nil {
		s.cfg.Resumed(breaks)
	}
	return through, nil
}

func (t *Tap) serves() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.store != nil
}

// all returns the taps by name.
func (s *Shipper) all() []*Tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taps []*Tap
	for _, t := range s.taps {
		taps = append(taps, t)
	}
	slices.SortFunc(taps, func(a, b *Tap) int { return cmp.Compare(a.table, b.table) })
	return taps
}

// overdue lets go of what the stores keep for the log when it is too much.
func (s *Shipper) overdue(cause error) {
	if s.owed.Load() < s.cfg.Cap {
		return
	}
	var names []string
	taps := s.all()
	for _, t := range taps {
		if t.waits() {
			names = append(names, t.table)
		}
	}
	why := fmt.Errorf("the change log could not be written for too long: %w", cause)
	if s.cfg.Broke != nil {
		if err := s.cfg.Broke(names, why); err != nil {
			s.log.Error("the break of the change log cannot be recorded; the stores keep their history", "err", errors.Join(why, err))
			return
		}
	}
	for _, t := range taps {
		t.letGo(why)
	}
	s.owed.Store(0)
}

// letGo lets the store discard what the log has not got.
func (t *Tap) letGo(why error) {
	if !t.waits() {
		return
	}
	t.s.held.Add(-t.drop())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = why
	if t.store != nil {
		t.store.Discard(t.store.Ledger().Version)
	}
}

// Shipped returns a channel that is closed when the log has grown the next time. Take
// it before looking at the log, and nothing is missed.
func (s *Shipper) Shipped() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// Status is how far the log is.
type Status struct {
	Through storage.Version // every serving table is complete through it
	Waiting int64           // bytes that are not shipped
	At      time.Time       // of the newest success; zero: none yet
	Err     error           // of the newest attempt
}

// Status returns how far the log is.
func (s *Shipper) Status() Status {
	s.mu.Lock()
	st := Status{Waiting: s.owed.Load(), At: s.at, Err: s.last}
	s.mu.Unlock()
	for i, t := range s.all() {
		t.mu.Lock()
		if t.store != nil && (i == 0 || t.through < st.Through || st.Through == 0) {
			st.Through = t.through
		}
		t.mu.Unlock()
	}
	return st
}
