package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

type watchOptions struct {
	since    string
	last     int
	progress bool
}

func newWatch(c *cli) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:               "watch",
		Short:             "Follow what happens",
		Long:              "Follow the events of the running hub until Ctrl-C, a line each; with --json a JSON object each.",
		Example:           "  brock watch --last 10\n  brock watch --since 24h --progress\n  brock watch --json | jq -r .type",
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := o.subscription()
			if err != nil {
				return err
			}
			return c.watch(cmd.Context(), opts, o.progress)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "begin with what happened since: a `duration` such as 1h, or an RFC 3339 time")
	f.IntVar(&o.last, "last", 0, "begin with so many of the newest `events`")
	f.BoolVar(&o.progress, "progress", false, "show progress too")
	return cmd
}

func (o watchOptions) subscription() (opts bus.SubscribeOptions, err error) {
	switch {
	case o.last < 0:
		return opts, usagef("--last %d is below 0", o.last)
	case o.last > 0 && o.since != "":
		return opts, usagef("use --since or --last, not both")
	case o.since == "":
		opts.Last = o.last
		return opts, nil
	}
	if d, err := time.ParseDuration(o.since); err == nil && d > 0 {
		opts.Since = time.Now().Add(-d)
		return opts, nil
	}
	if opts.Since, err = time.Parse(time.RFC3339, o.since); err != nil {
		return opts, usagef("--since %q is neither a duration such as 1h nor an RFC 3339 time", o.since)
	}
	return opts, nil
}

func (c *cli) watch(ctx context.Context, opts bus.SubscribeOptions, withProgress bool) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	hub, err := c.dialRunning(ctx, bus.Viewer)
	if err != nil {
		return err
	}
	defer hub.close()
	events, err := hub.client.Events(ctx, opts)
	if err != nil {
		return err
	}
	c.sayWatching(hub)
	var progress <-chan bus.Progress
	if withProgress {
		sub, err := hub.client.Progress(ctx)
		if err != nil {
			return err
		}
		progress = sub.C()
	}
	err = c.follow(events, progress)
	if ctx.Err() != nil { // somebody has seen enough
		return nil
	}
	return err
}

// sayWatching tells somebody who looks that silence means that nothing happens.
func (c *cli) sayWatching(hub *online) {
	if c.errLook.terminal && !c.json {
		_, _ = fmt.Fprintf(c.err, "watching the hub %q; Ctrl-C ends it\n", hub.hub)
	}
}

// follow prints what comes until the events end.
func (c *cli) follow(events *bus.Subscription[bus.Event], progress <-chan bus.Progress) error {
	missed := uint64(0)
	for {
		select {
		case e, ok := <-events.C():
			if !ok {
				return events.Err()
			}
			if n := events.Dropped(); n > missed {
				c.complain(errors.New("missed " + counted(n-missed, "event")))
				missed = n
			}
			if err := c.printEvent(e); err != nil {
				return err
			}
		case p, ok := <-progress:
			if !ok {
				progress = nil
				continue
			}
			if err := c.printProgress(p); err != nil {
				return err
			}
		}
	}
}
