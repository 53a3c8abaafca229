package actors

import (
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/jonboulle/clockwork"
)

// System is a protoactor system. The alias lets an embedder bring one along.
type System = actor.ActorSystem

// Wall is the wall clock with its timers; tests bring a fake one.
type Wall = clockwork.Clock

// NewSystem returns a system that logs through log. It opens no port.
func NewSystem(log *slog.Logger) *System {
	quiet := slog.New(levelled{log.Handler(), slog.LevelWarn})
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }),
		actor.WithDeadLetterThrottleInterval(time.Millisecond)) // how long its throttle leaves a goroutine behind
}

// Config of the actors. All fields without a default are required.
type Config struct {
	System *System
	Logger *slog.Logger
	Wall   Wall

	FS     disk.FS
	Tables []TableConfig
	Store  storage.Options
	Clock  *storage.Clock
	Vault  *vault.Vault
	Log    *changelog.Shipper // nil: no change log
	Window time.Duration      // how far back the change log is kept; 0: as far as snapshots are

	Hub      string
	Schedule Schedule                 // nil: no scheduled backups
	Keep     int                      // snapshots kept per table; default 3
	Rate     int64                    // bytes per second that a run may copy; 0: 100 MiB while somebody writes, else no limit
	Workers  int                      // tables copied at a time; default 2
	Flush    time.Duration            // how long a table may take to pin; default 10 s
	Copy     time.Duration            // how long the copy of one table may take; default 1 h
	Publish  func(bus.EventType, any) // called off the actors; must not block for long
	Progress func(bus.Progress)       // must not block
	LastRun  time.Time                // of the last run, or of the hub's creation; the schedule goes on from it
	Queue    int                      // writes that may wait in one table; default 16,384
	QueueMem int64                    // bytes that may wait in one table; default 64 MiB
	Probe    Probe                    // for tests; nil: off
	// Damaged is told when a table was quarantined, after its event. It is called off
	// the actors and should not block for long; nil: nobody is told.
	Damaged func(table string, q Quarantine)
}

// TableConfig names one table.
type TableConfig struct {
	Name string
	Dir  string // its folder
	// Create makes the table when it is not there. Without it a missing table is
	// unavailable: it may be an unmounted disk.
	Create bool
	// Quarantine is of an earlier start: while that store is the table's it is not
	// opened; nil: there was none.
	Quarantine *Quarantine
	// Committed is told of each commit, before its callers are answered: how long it
	// took, how many of its writes are acknowledged, and why it failed. It must not
	// block. nil: nobody asks.
	Committed func(took time.Duration, writes int, err error)
}

// Schedule tells when the next backup is due after a time (a parsed cron expression does).
type Schedule interface{ Next(time.Time) time.Time }

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Keep == 0 {
		c.Keep = 3
	}
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Queue == 0 {
		c.Queue = 16_384
	}
	if c.QueueMem == 0 {
		c.QueueMem = 64 << 20
	}
	set(&c.Flush, 10*time.Second)
	set(&c.Copy, time.Hour)
	return c
}
