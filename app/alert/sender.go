package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/jonboulle/clockwork"
)

const (
	requestWithin = 15 * time.Second
	closeWithin   = 3 * time.Second
)

// Options of a [Sender]. Those without a default are needed.
type Options struct {
	Config Config // valid
	Dir    string // where alarms wait; made 0700; of this sender alone
	FS     disk.FS
	Wall   clockwork.Clock
	Logger *slog.Logger
	Agent  string // the User-Agent of requests
	// CommandWithin bounds a command; default 30 s.
	CommandWithin time.Duration
	// Most is how many alarms wait for one receiver; default 1,000. The oldest make room.
	Most int
}

// Sender brings alarms to their receivers. Its methods may be called from any
// goroutine, and do nothing on a nil Sender.
type Sender struct {
	o        Options
	client   *http.Client
	channels []*channel
	alive    atomic.Pointer[func(context.Context) bool] // set with the heartbeat's start

	life context.Context // of what is sent; ends when the close has waited long enough
	kill context.CancelFunc
	quit chan struct{}
	work sync.WaitGroup
	once sync.Once
}

// Open returns a sender that goes on with what earlier ones left on the disk. A disk
// that fails is logged: alarms then wait in memory.
func Open(o Options) *Sender {
	s := &Sender{o: o, quit: make(chan struct{}), client: newClient()}
	s.life, s.kill = context.WithCancel(context.Background())
	for _, w := range o.Config.Webhooks {
		s.channels = append(s.channels, s.channel(w.String(), "webhook\n"+w.URL, s.post(w)))
	}
	if c := o.Config.Command; len(c) > 0 {
		s.channels = append(s.channels, s.channel(commandName(c), fmt.Sprintf("command\n%q", c), s.exec(c)))
	}
	s.forgetOthers()
	for _, c := range s.channels {
		s.work.Go(c.run)
	}
	return s
}

// Raise returns when the alarm is on the disk for each receiver. It waits for none of them.
func (s *Sender) Raise(a Alarm) {
	if s == nil {
		return
	}
	for _, c := range s.channels {
		c.raise(a)
	}
}

// Close waits a moment for what is being sent. What could not be sent the next sender
// sends.
func (s *Sender) Close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.once.Do(func() { close(s.quit) })
	defer s.kill()
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	grace, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-grace.Done():
	}
	s.kill()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Delivery says what became of a test on one channel.
type Delivery struct {
	Channel    string  `json:"channel"`
	Status     string  `json:"status"` // ok, error, or held: a heartbeat that is not sent because not all is well
	DurationMS float64 `json:"duration_ms"`
	Error      string  `json:"error"`
}

// What became of a test.
const (
	Arrived = "ok"
	Failed  = "error"
	Held    = "held"
)

// Test sends the alarm once on every channel, at the same time and past what waits, and
// says what came of it. The heartbeat goes out only where it would by itself.
func (s *Sender) Test(ctx context.Context, a Alarm) []Delivery {
	if s == nil {
		return []Delivery{}
	}
	out := make([]Delivery, len(s.channels), len(s.channels)+1)
	var all sync.WaitGroup
	for i, c := range s.channels {
		all.Go(func() { out[i] = try(c.name, func() error { return c.send(ctx, a) }) })
	}
	all.Wait()
	if s.o.Config.Heartbeat == "" {
		return out
	}
	d := try(heartbeatName(s.o.Config.Heartbeat), func() error { return s.beat(ctx) })
	if d.Error == errHeld.Error() {
		d.Status = Held
	}
	return append(out, d)
}

func try(name string, send func() error) Delivery {
	began := time.Now()
	d := Delivery{Channel: name, Status: Arrived}
	if err := send(); err != nil {
		d.Status, d.Error = Failed, err.Error()
	}
	d.DurationMS = float64(time.Since(began).Microseconds()) / 1000
	return d
}

// Trouble is a channel that does not take alarms.
type Trouble struct {
	Channel string
	Since   time.Time // of the first failure
	Waiting int
	Error   string
}

// Troubles returns the channels that have failed since their last success.
func (s *Sender) Troubles() []Trouble {
	if s == nil {
		return nil
	}
	var out []Trouble
	for _, c := range s.channels {
		if t, bad := c.trouble(); bad {
			out = append(out, t)
		}
	}
	return out
}

// forgetOthers removes what waits for receivers that are not configured any more.
func (s *Sender) forgetOthers() {
	entries, err := s.o.FS.ReadDir(s.o.Dir)
	if err != nil {
		return // there is none, or the channels have reported it
	}
	for _, e := range entries {
		known := false
		for _, c := range s.channels {
			known = known || filepath.Base(c.spool.dir) == e.Name()
		}
		if known {
			continue
		}
		dir := filepath.Join(s.o.Dir, e.Name())
		s.o.Logger.Warn("alarms for a receiver that is not configured any more are dropped", "dir", dir)
		if err := s.o.FS.RemoveAll(dir); err != nil {
			s.o.Logger.Warn("they could not be removed", "dir", dir, "err", err)
		}
	}
}

var errHeld = errors.New("held back: not all is well, or the last backup is too old")
