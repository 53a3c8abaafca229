package main

import (
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newAlert(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "Try whether alarms arrive",
		Long: `Try whether the alarms of a running hub arrive. Where they go is set with
alert_webhook, alert_command and heartbeat_url; see brock config sample.`,
		Example: "  brock alert test",
		GroupID: groupHub,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: brock alert test")
		},
	}
	cmd.AddCommand(newAlertTest(c))
	return cmd
}

func newAlertTest(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "test",
		Short: "Send a test alarm and say whether it arrived",
		Long: `Let the running hub send a test alarm on all its channels, once, and say for each
whether it arrived. The heartbeat goes out only where it would by itself. Exits with 0
when all arrived, 3 when some did, 1 when none did or none is configured.`,
		Example:           "  brock alert test\n  brock alert test --json",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := c.dialRunning(cmd.Context(), bus.Operator)
			if err != nil {
				return err
			}
			defer hub.close()
			var r app.AlertReport
			if err := hub.ask(cmd.Context(), "alert", nil, &r); err != nil {
				return err
			}
			if err := c.printAlerts(r); err != nil {
				return err
			}
			return codeFor(r.Status)
		},
	}
}

func (c *cli) printAlerts(r app.AlertReport) error {
	if c.json {
		return c.printJSON(r)
	}
	if len(r.Channels) == 0 {
		c.say("the hub has no alarms configured: set alert_webhook, alert_command or heartbeat_url (brock config sample)")
		return nil
	}
	c.say("alert test %s\n", c.outLook.paint(string(r.Status)))
	g := c.grid("CHANNEL", "STATUS", ">TOOK", "")
	for _, d := range r.Channels {
		g.row(d.Channel, d.Status, took(d.DurationMS), d.Error)
	}
	return g.end()
}
