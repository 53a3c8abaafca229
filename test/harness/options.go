package harness

import (
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/jonboulle/clockwork"
)

// Option changes what [New] makes.
type Option func(*settings)

type settings struct {
	dir     string
	config  app.Config
	clock   *clockwork.FakeClock
	actors  []func(*actors.Config)
	shared  bool
	stopped bool
	journal bool
}

// Tables names the hub's tables; without it the hub has the nine of an agent hub.
func Tables(names ...string) Option {
	return func(s *settings) { s.config.Tables = names }
}

// Configure changes the hub's configuration. Its hooks FS, Actors
// and Server belong to the harness.
func Configure(change func(*app.Config)) Option {
	return func(s *settings) { change(&s.config) }
}

// FakeClock gives the hub a clock that stands still at start until it is advanced
// ([Harness.Advance]). It drives the schedule, expiry, versions, and the delays
// after which a table is opened again. A caller may hear of a commit before the
// table has set its timer for what expires: await [Committed] before the clock is
// advanced, where the removal itself matters.
func FakeClock(start time.Time) Option {
	return func(s *settings) { s.clock = clockwork.NewFakeClockAt(start) }
}

// Schedule sets when backups run by themselves; without it they don't. Nor do
// compactions, unless [Configure] says when.
func Schedule(expression string) Option {
	return func(s *settings) { s.config.Schedule = expression }
}

// Offline opens the hub without NATS. Then there are no events to expect.
func Offline() Option { return func(s *settings) { s.config.Offline = true } }

// PinWithin sets how long a run waits for a table's pin; production has 10 s. Set
// it low where a flush is dropped or held.
func PinWithin(d time.Duration) Option {
	return ConfigureActors(func(c *actors.Config) { c.Flush = d })
}

// CopyWithin sets how long the copy of one table may take; production has an hour.
func CopyWithin(d time.Duration) Option {
	return ConfigureActors(func(c *actors.Config) { c.Copy = d })
}

// ConfigureActors changes how the actors are made, such as how many writes may wait
// in a table. The probe and the free space belong to the harness.
func ConfigureActors(change func(*actors.Config)) Option {
	return func(s *settings) { s.actors = append(s.actors, change) }
}

// InDir uses a directory that stays, in place of a temporary one.
func InDir(dir string) Option { return func(s *settings) { s.dir = dir } }

// Stopped leaves the first [Harness.Start] to the test.
func Stopped() Option { return func(s *settings) { s.stopped = true } }

// Parallel is for tests that run beside others in the same process: goroutines
// cannot be told apart then, so only open files are checked for leaks.
func Parallel() Option { return func(s *settings) { s.shared = true } }

func newSettings(opts []Option) settings {
	s := settings{config: app.Config{Schedule: "off", CompactEvery: -1, MinFree: minFree}}
	for _, o := range opts {
		o(&s)
	}
	return s
}
