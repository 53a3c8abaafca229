package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

type serveOptions struct {
	cfg      app.Config
	alerts   alertOptions
	logLevel string
	heal     string
	watch    bool
}

func newServe(c *cli) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a hub",
		Long: `Run a hub on the data directory until Ctrl-C or SIGTERM; a second one ends it at
once. The directory and its tables are made when they do not exist.

With --watch the hub runs in a process of its own, which is started again when
something ends it, after 100 ms and up to 30 s where that happens again and again. A
supervisor such as systemd does the same; do not use both.`,
		Example: `  brock serve
  brock serve --data /srv/hub --vault /mnt/backups/hub --schedule '@every 1h' --keep 24
  brock serve --tables jobs,mail --nats-addr 127.0.0.1:0`,
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.checkServe(o); err != nil {
				return err
			}
			o.cfg.Heal = app.HealPolicy(o.heal)
			if o.cfg.ScrubRate == 0 {
				o.cfg.ScrubRate = -1 // to the hub, 0 is the default
			}
			o.cfg.Data, o.cfg.Vault = c.directories()
			o.cfg.TLS.CA = c.tlsCA
			o.cfg.Alerts = o.alerts.config()
			o.cfg.Logger, _ = c.logger(o.logLevel)
			if o.watch && c.env[watchedVar] == "" {
				return c.watchServe(o.cfg.Logger)
			}
			app.RaiseProcs()
			return c.serve(cmd.Context(), o.cfg)
		},
	}
	o.flags(cmd)
	return cmd
}

// flags are the settings of a hub.
func (o *serveOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.cfg.Name, "name", "", "the hub's `name` (default that of the last time, or hub)")
	f.StringSliceVar(&o.cfg.Tables, "tables", nil, "`names` of the tables, a,b,c (default those of the last time, or the nine of an agent hub)")
	f.StringVar(&o.cfg.NATSAddr, "nats-addr", bus.DefaultAddr, "`host:port` for NATS, loopback unless there is TLS; port 0 picks a free one")
	f.StringVar(&o.cfg.HTTPAddr, "http-addr", "127.0.0.1:8420", "`host:port` for HTTP, loopback unless there is TLS; port 0 picks a free one, empty means none")
	f.StringSliceVar(&o.cfg.HTTPHosts, "http-hosts", nil, "`names` under which HTTP is asked besides its address, such as behind a proxy")
	f.StringVar(&o.cfg.WebSocket.Addr, "ws-addr", "", "`host:port` for NATS over WebSocket, viewers only, loopback unless there is TLS (default none)")
	f.StringSliceVar(&o.cfg.WebSocket.Origins, "ws-origins", nil, "`origins` of the pages that may use it, https://a.example,… (default its own host and port)")
	f.BoolVar(&o.cfg.WebSocket.Plain, "ws-plain", false, "let it listen without TLS")
	f.StringVar(&o.cfg.TLS.Cert, "tls-cert", "", "`file` with the certificate for NATS and HTTP, in PEM")
	f.StringVar(&o.cfg.TLS.Key, "tls-key", "", "`file` with its private key")
	f.StringVar(&o.cfg.Schedule, "schedule", "@daily", "when to back up: five cron fields, @daily, @every 10m or off")
	f.IntVar(&o.cfg.Keep, "keep", 3, "how many snapshots of each table to keep")
	f.DurationVar(&o.cfg.LogInterval, "log-interval", time.Second, "how long a commit waits at most before it is in the vault's change log; -1s: no change log")
	f.DurationVar(&o.cfg.LogWindow, "log-window", 7*24*time.Hour, "how far back every moment can be restored")
	f.Var(newBytesFlag(&o.cfg.LogCap, 1<<30), "log-cap", "how much the tables keep for a change log that cannot be written; beyond it the log gets a break")
	f.Var(newBytesFlag(&o.cfg.CopyRate, 0), "copy-rate", "how much a backup may copy a second; 0: 100MiB while tables are written to, else no limit")
	f.DurationVar(&o.cfg.DrillEvery, "drill-every", 24*time.Hour, "how often a table's newest snapshot is restored for proof; -1s: on demand only")
	f.DurationVar(&o.cfg.ScrubEvery, "scrub-every", 24*time.Hour, "how often a live table is read and compared with its ledger; -1s: never")
	f.Var(newBytesFlag(&o.cfg.ScrubRate, 32<<20), "scrub-rate", "how much a scrub reads a second; 0: no limit")
	f.StringVar(&o.heal, "heal", string(app.HealAuto), "what to do about a damaged table: auto (rebuild it), off, or empty (let it start empty where nothing can be rebuilt)")
	f.DurationVar(&o.cfg.CompactEvery, "compact-every", 6*time.Hour, "how often tables of which a tenth is dead are compacted; -1s: on demand only")
	o.alerts.flags(f)
	f.BoolVar(&o.cfg.Fresh, "fresh", false, "start tables empty whose store is lost, rather than unavailable")
	f.BoolVar(&o.watch, "watch", false, "start the hub again when something ends it")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	_ = cmd.RegisterFlagCompletionFunc("log-level", words("debug", "info", "warn", "error"))
	_ = cmd.RegisterFlagCompletionFunc("heal", words(string(app.HealAuto), string(app.HealOff), string(app.HealEmpty)))
	_ = cmd.RegisterFlagCompletionFunc("schedule", words("@hourly", "@daily", "@weekly", "@every 10m", "off"))
}

// logger logs to standard error.
func (c *cli) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, c.refuse("log_level", "%q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: l})), nil
}

// checkServe finds wrong settings before anything is made on the disk.
func (c *cli) checkServe(o serveOptions) error {
	if _, err := c.logger(o.logLevel); err != nil {
		return err
	}
	if o.cfg.Keep < 1 {
		return c.refuse("keep", "must be at least 1, not %d", o.cfg.Keep)
	}
	if o.cfg.LogCap == 0 {
		return c.refuse("log_cap", "must be more than 0; with log_interval -1s there is no change log")
	}
	if o.cfg.Name == "" && c.origins["name"].source != fromDefault {
		return c.refuse("name", "is empty")
	}
	if _, _, err := net.SplitHostPort(o.cfg.NATSAddr); err != nil {
		return c.refuse("nats_addr", "%q is not host:port", o.cfg.NATSAddr)
	}
	if _, _, err := net.SplitHostPort(o.cfg.HTTPAddr); err != nil && o.cfg.HTTPAddr != "" {
		return c.refuse("http_addr", "%q is not host:port", o.cfg.HTTPAddr)
	}
	if err := c.checkDoors(o.cfg); err != nil {
		return err
	}
	if err := c.checkAlerts(o.alerts); err != nil {
		return err
	}
	return c.checkPart("name", app.Config{Name: o.cfg.Name}, c.checkPart("tables", app.Config{Tables: o.cfg.Tables},
		c.checkPart("schedule", app.Config{Schedule: o.cfg.Schedule}, c.checkPart("log_window", app.Config{LogWindow: o.cfg.LogWindow},
			c.checkPart("heal", app.Config{Heal: app.HealPolicy(o.heal)}, nil)))))
}

// checkDoors refuses addresses that others can reach where nothing is encrypted.
func (c *cli) checkDoors(cfg app.Config) error {
	if (cfg.TLS.Cert == "") != (cfg.TLS.Key == "") {
		return usagef("TLS needs both files, --tls-cert and --tls-key")
	}
	return c.checkPart("nats_addr", app.Config{NATSAddr: cfg.NATSAddr, TLS: cfg.TLS},
		c.checkPart("http_addr", app.Config{HTTPAddr: cfg.HTTPAddr, TLS: cfg.TLS},
			c.checkPart("ws_addr", app.Config{WebSocket: cfg.WebSocket, TLS: cfg.TLS}, nil)))
}

// checkPart lets the hub judge one setting, before what comes next.
func (c *cli) checkPart(key string, part app.Config, next error) error {
	part.Data = c.data
	if err := part.Validate(); err != nil {
		return c.refuse(key, "is wrong: %w", err)
	}
	return next
}

func (c *cli) serve(ctx context.Context, cfg app.Config) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	for _, name := range c.unknownVariables() {
		cfg.Logger.Warn("nothing reads this environment variable; is it misspelt?", "name", name)
	}
	ctx, cancel := c.untilWatcherEnds(ctx)
	defer cancel()
	hub, err := openHub(ctx, cfg)
	if err != nil {
		return err
	}
	if err := c.printReady(hub, cfg); err != nil {
		return errors.Join(err, closeHub(hub, signals))
	}
	stopped := reloadOnHangup(ctx, hub, cfg.Logger)
	select {
	case s := <-signals:
		cfg.Logger.Info("stopping", "signal", s.String())
	case <-ctx.Done():
		cfg.Logger.Error("stopping, because the process that watches this one has ended")
	}
	stopped()
	return closeHub(hub, signals)
}

// reloadOnHangup has the hub read its credentials again on SIGHUP, until stop is called.
func reloadOnHangup(ctx context.Context, hub *app.Hub, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			if err := hub.ReloadCredentials(ctx); err != nil {
				log.Error("SIGHUP", "err", err)
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// closeHub closes the hub in bounded time; a signal cuts it short.
func closeHub(hub *app.Hub, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- hub.Close(ctx) }()
	select {
	case err := <-done:
		return err
	case <-signals:
		return errors.New("stopped at once, on the second signal; what was acknowledged is durable")
	}
}
