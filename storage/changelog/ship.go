package changelog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
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
	Merge   MergeOptions // when segments are merged
	Logger  *slog.Logger
}

// Shipper brings the commits of a hub's tables into its change log, in the
// background: at an interval, and at once when much waits. The stores are the
// truth: what is not in memory (after a crash, after an outage) is read from them.
type Shipper struct {
	cfg  ShipperConfig
	log  *slog.Logger
	said complaints

	mu   sync.Mutex
	taps map[string]*Tap
	last error         // of the newest attempt
	at   time.Time     // of the newest success
	next chan struct{} // closed at the next one

	owed     atomic.Int64  // bytes committed since they were last shipped
	since    atomic.Int64  // nothing that waits was committed before it, in Unix nanoseconds
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
		t.shipped, t.through, t.seen = st.After, st.Through, st.After.Commits
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
			if done, err = s.cfg.Log.Merge(ctx, s.cfg.Merge); err != nil && ctx.Err() == nil {
				s.complain(slog.LevelWarn, cannotMerge, "", err)
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
				s.complain(slog.LevelError, cannotWrite, "", err)
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
	if owed == size {
		s.since.Store(s.cfg.Wall.Now().UnixNano())
	}
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
