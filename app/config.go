package app

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/jonboulle/clockwork"
)

// Config of a hub. The zero Config with a data directory is a working hub: the
// nine tables, NATS on a free loopback port, no HTTP, a backup a day into the
// vault below the data.
type Config struct {
	Data  string // the data directory; required; made when missing
	Vault string // the vault's directory; default that of the last time, or <Data>/vault

	Name   string   // the hub's name: 1 to 64 of a-z 0-9 _ -; default that of the last time, or "hub"
	Tables []string // default: those of the last time, or [DefaultTables]
	Fresh  bool     // let a table whose store is lost start empty

	NATSAddr string // host:port of the embedded NATS, loopback unless there is TLS; default "127.0.0.1:0", a free port
	HTTPAddr string // host:port of the HTTP API and health probes; default "": no HTTP
	// HTTPHosts are names under which HTTP is asked, such as behind a proxy, besides
	// loopback names and the address itself. A request for any other Host is refused.
	HTTPHosts []string
	// TLS protects NATS and HTTP. Without it both listen on loopback only.
	TLS TLS
	// WebSocket lets browsers speak NATS, as viewers only; the zero value: none.
	WebSocket WebSocket

	// Schedule is a cron expression in local time or, after "CRON_TZ=Europe/Berlin ", in
	// another; "@daily", "@every 10m" or "off"; default "@daily". Where it names hours,
	// each time comes once a day, also when the clock is put forward (one that is left
	// out comes at the change) or back (of one that comes twice the first counts).
	Schedule string
	Keep     int   // snapshots kept per table; default 3
	CopyRate int64 // bytes per second that a backup may copy; default 0: 100 MiB while tables are written to, else no limit
	Unsynced bool  // acknowledge writes before they are synced; a power cut may take the last ones
	// LogInterval is how long a commit waits at most before it is in the vault's change
	// log, and so how much a lost disk can take; default 1 s, negative: no change log.
	LogInterval time.Duration
	// LogWindow is how far back every moment can be restored; default 7 days. The log
	// always goes back to the oldest kept snapshot, but for one that is kept for its
	// proof alone.
	LogWindow time.Duration
	// LogCap is how many bytes the tables keep for a change log that cannot be
	// written; default 1 GiB. Beyond it the log gets a break, which the next backup closes.
	LogCap int64
	// DrillEvery is how often a table's newest snapshot is restored for proof, after a
	// backup and when nothing else is under way; default 24 h, negative: only on demand.
	DrillEvery time.Duration
	// ScrubEvery is how often a live table is read and compared with its ledger;
	// default 24 h, negative: never.
	ScrubEvery time.Duration
	// Heal is what the hub does by itself about a table whose store is damaged; default
	// [HealAuto].
	Heal      HealPolicy
	ScrubRate int64 // bytes per second that a scrub may read; default 32 MiB, negative: no limit
	// CompactEvery is how often tables of which a tenth is dead are compacted, one after
	// another; default 6 h, negative: only on demand.
	CompactEvery time.Duration
	// Alerts says where alarms go beside NATS: webhooks, a command, a heartbeat.
	Alerts  Alerts
	MinFree int64 // free bytes below which writes are refused; default 256 MiB, negative: never

	// Subjects of your own on the embedded server, apart from the hub's, and the least
	// roles that may use them from outside. [Hub.NATS] is the way to them from within.
	Subjects []Subject

	// What an embedder may bring along. The hub does not close what it was given.
	NATS   *Conn          // a connection to use in place of the embedded server
	System *actors.System // an actor system
	Logger *slog.Logger   // default slog.Default()
	Wall   actors.Wall    // the wall clock; tests bring a fake one

	// Offline opens the tables and the vault only: no NATS, no HTTP, no schedule.
	// Events wait on the disk for the next start with NATS.
	Offline bool

	Hooks Hooks // for test/harness; the zero value is off
}

// Hooks are for test/harness, which reaches into a hub with them. A program has no use
// for them: they promise nothing, and may change in any release.
type Hooks struct {
	FS     disk.FS              // through which Brock writes its own files; default the real one
	Actors func(*actors.Config) // may change how the actors are made
	Server func(*bus.Server)    // gets the embedded NATS server, to stop and restart it
	Vault  func(*vault.Options) // may change how the vault is opened
	Log    func(*changelog.ShipperConfig)
	// What health asks of disks; default the real ones.
	Free       func(dir string) (free, total uint64, err error)
	SameDevice func(a, b string) (bool, error)
}

// DefaultTables returns the nine tables of an agent hub.
func DefaultTables() []string {
	return []string{"task_queue", "task_dead_letter", "agent_mailbox", "message_history", "agent_channels",
		"channel_history", "agentcom_config", "thread_messages", "thread_replies"}
}

// WithDefaults fills in what is empty.
func (c Config) WithDefaults() Config {
	text := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	text(&c.Vault, filepath.Join(c.Data, "vault"))
	text(&c.Name, "hub")
	text(&c.NATSAddr, "127.0.0.1:0")
	text(&c.Schedule, "@daily")
	if c.Heal == "" {
		c.Heal = HealAuto
	}
	if c.Keep == 0 {
		c.Keep = 3
	}
	for _, d := range []struct {
		field *time.Duration
		v     time.Duration
	}{
		{&c.LogWindow, 7 * 24 * time.Hour}, {&c.DrillEvery, 24 * time.Hour}, {&c.ScrubEvery, 24 * time.Hour}, {&c.CompactEvery, 6 * time.Hour}} {
		if *d.field == 0 {
			*d.field = d.v
		}
	}
	if c.ScrubRate == 0 {
		c.ScrubRate = 32 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Hooks.FS == nil {
		c.Hooks.FS = disk.OS
	}
	if c.Hooks.Free == nil {
		c.Hooks.Free = disk.Free
	}
	if c.Hooks.SameDevice == nil {
		c.Hooks.SameDevice = disk.SameDevice
	}
	if c.Wall == nil {
		c.Wall = clockwork.NewRealClock()
	}
	return c
}

// Validate says what is wrong with the configuration; the error matches
// [ErrInvalid] or [ErrInvalidName].
func (c Config) Validate() error {
	if c.NATS != nil && c.Name == "" {
		return fmt.Errorf("%w configuration: a hub on a NATS connection of yours needs a Name: hubs of one name would answer each other's requests", ErrInvalid)
	}
	c = c.WithDefaults()
	if c.Data == "" {
		return fmt.Errorf("%w configuration: the data directory is missing", ErrInvalid)
	}
	if err := storage.CheckHubName(c.Name); err != nil {
		return err
	}
	for i, name := range c.Tables {
		if err := storage.CheckTableName(name); err != nil {
			return err
		}
		if slices.Contains(c.Tables[:i], name) {
			return fmt.Errorf("%w configuration: table %q is named twice", ErrInvalid, name)
		}
	}
	if c.LogWindow < 0 || c.LogCap < 0 {
		return fmt.Errorf("%w configuration: the change log's window and cap cannot be negative", ErrInvalid)
	}
	if err := c.Heal.check(); err != nil {
		return err
	}
	if err := c.checkSubjects(); err != nil {
		return err
	}
	if err := c.checkDoors(); err != nil {
		return err
	}
	if err := c.Alerts.Validate(); err != nil {
		return err
	}
	if c.Keep < 1 {
		return fmt.Errorf("%w configuration: keep must be at least 1, not %d", ErrInvalid, c.Keep)
	}
	_, err := c.schedule()
	return err
}

// absolute makes the paths absolute: they stand in events and run records,
// where nobody knows what they are relative to.
func (c *Config) absolute() (err error) {
	for _, dir := range []*string{&c.Data, &c.Vault, &c.TLS.Cert, &c.TLS.Key, &c.TLS.CA} {
		if *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return err
		}
	}
	return nil
}
