package bus

import (
	"log/slog"
	"time"
)

// Config says what a bus connects to. One of Server and Conn is required.
type Config struct {
	Hub         string        // the hub's name; required
	OutboxDir   string        // where undelivered events wait, made 0700; required; one bus at a time
	Files       Files         // the outbox's file system; default the system's
	Server      *Server       // the embedded server; the bus makes and closes its own connections
	Conn        *Conn         // or a connection that the embedder owns and closes after the bus
	Logger      *slog.Logger  // default: discard
	MaxAge      time.Duration // of the event stream; default the Server's, else DefaultMaxAge
	MaxBytes    int64         // of the event stream; default the Server's, else DefaultMaxBytes
	OutboxLimit int           // events that wait at most; default DefaultOutboxLimit
	CoreOnly    bool          // never ask Conn for JetStream, such as where permissions deny it
}

func (c Config) withDefaults() Config {
	if c.Server != nil {
		c.MaxAge, c.MaxBytes = or(c.MaxAge, c.Server.cfg.MaxAge), or(c.MaxBytes, c.Server.cfg.MaxBytes)
	}
	c.MaxAge, c.MaxBytes = or(c.MaxAge, DefaultMaxAge), or(c.MaxBytes, int64(DefaultMaxBytes))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func or[T time.Duration | int64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func (c Config) validate() error {
	switch {
	case (c.Server == nil) == (c.Conn == nil):
		return configError("a bus needs either a server or a connection")
	case c.OutboxDir == "":
		return configError("a bus needs an outbox directory")
	}
	return validateHub(c.Hub)
}
