package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

type demoOptions struct{ keep, serve bool }

func newDemo(c *cli) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it all work, on sample data",
		Long: `Run a hub in a temporary directory, fill it, back it up while writes go on, prove
the backup, damage a table, restore it, and check every claim. It touches nothing
else, and exits with 1 if anything did not hold.`,
		Example:           "  brock demo\n  brock demo --serve",
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return c.demo(ctx, o)
		},
	}
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the directory")
	cmd.Flags().BoolVar(&o.serve, "serve", false, "leave the hub running until Ctrl-C")
	return cmd
}

func (c *cli) demo(ctx context.Context, o demoOptions) (err error) {
	dir, err := os.MkdirTemp("", "brock-demo-")
	if err != nil {
		return err
	}
	if !o.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	d := &demo{c: c, began: time.Now(), data: filepath.Join(dir, "data")}
	if err := d.open(ctx, filepath.Join(dir, "vault"), o.serve); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.play(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("demo: interrupted")
		}
		return err
	}
	if err := d.finish(o, dir); err != nil {
		return err
	}
	if o.serve {
		<-ctx.Done()
	}
	return nil
}

// open starts the hub and follows its events as a viewer does, over NATS.
func (d *demo) open(ctx context.Context, vault string, serve bool) (err error) {
	cfg := app.Config{Data: d.data, Vault: vault, Name: "demo", Schedule: "off", Logger: slog.New(slog.DiscardHandler)}
	if serve {
		cfg.HTTPAddr = "127.0.0.1:0"
	}
	closeFiles()
	if d.hub, err = app.Open(ctx, cfg); err != nil {
		return err
	}
	viewer, _ := d.hub.Credentials().Role(bus.Viewer)
	if d.client, err = bus.Dial(ctx, d.hub.NATSURL(), viewer, bus.Viewer); err == nil {
		d.events, err = d.client.Events(ctx, bus.SubscribeOptions{})
	}
	if err != nil {
		return errors.Join(err, d.close())
	}
	d.say("brock demo: a hub with %s in %s\n", counted(len(d.hub.Tables()), "table"), filepath.Dir(d.data))
	return nil
}

func (d *demo) close() error {
	d.writers.stop()
	if d.client != nil {
		d.client.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return d.hub.Close(ctx)
}

// finish says how it went and where to look next.
func (d *demo) finish(o demoOptions, dir string) error {
	d.report.Status = app.StatusOK
	d.report.DurationMS = float64(time.Since(d.began).Microseconds()) / 1000
	if d.c.json {
		return d.c.printJSON(d.report)
	}
	d.say("\nEverything held, in %s.\n", took(d.report.DurationMS))
	if o.serve {
		d.say("The hub goes on running until Ctrl-C. From another terminal:\n\n  brock watch  --data %[1]s\n  brock health --data %[1]s", shellQuote(d.data))
		d.say("  eval \"$(brock env --data %s)\"   for the nats client and curl\n  HTTP  %s", shellQuote(d.data), d.hub.HTTPURL())
		return nil
	}
	if o.keep {
		d.say("Kept:  brock serve --data %s --vault %s", shellQuote(d.data), shellQuote(filepath.Join(dir, "vault")))
		return nil
	}
	d.say("Next:  brock serve          a hub of your own, in ./brock-data\n       brock demo --serve   leave this one running and look around")
	return nil
}

func (d *demo) say(format string, a ...any) {
	if !d.c.json {
		d.c.say(format, a...)
	}
}

// step prints what was done.
func (d *demo) step(name, format string, a ...any) {
	d.say("%-9s %s", name, fmt.Sprintf(format, a...))
}
