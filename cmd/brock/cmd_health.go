package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newHealth(c *cli) *cobra.Command {
	var probe bool
	cmd := &cobra.Command{
		Use:               "health",
		Short:             "Say whether the data is safe",
		Long:              "Say whether the running hub and its data are well. Exits with 0 when ok, 3 on a warning\nor when unhealthy, 1 when no hub can be asked.",
		Example:           "  brock health\n  brock health --json | jq .conditions",
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.health(cmd.Context(), probe)
		},
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "exit with 0 whenever the hub answers, whatever it says")
	return cmd
}

func (c *cli) health(ctx context.Context, probe bool) error {
	hub, err := c.dialRunning(ctx, bus.Viewer)
	if err != nil {
		return err
	}
	defer hub.close()
	var h app.Health
	if err := hub.ask(ctx, "health", nil, &h); err != nil {
		return err
	}
	if err := c.printHealth(h); err != nil {
		return err
	}
	if h.Status != app.HealthOK && !probe {
		return &exit{code: exitPartial}
	}
	return nil
}

// dialRunning connects to the hub, for commands that make no sense without one.
func (c *cli) dialRunning(ctx context.Context, role bus.Role) (*online, error) {
	p, running, err := c.find()
	if err != nil {
		return nil, err
	}
	if !running {
		return nil, c.noHub()
	}
	return c.dial(ctx, p, role)
}

func (c *cli) noHub() error {
	return &bus.Error{Code: "no_hub", Status: http.StatusServiceUnavailable,
		Message: fmt.Sprintf("no hub runs on %s; start it with brock serve", c.data)}
}

// stale marks a backup that is too old.
func (c *cli) stale(h app.Health) string {
	if !h.StaleBackup {
		return ""
	}
	return ", " + c.outLook.paint("stale")
}

func (c *cli) printHealth(h app.Health) error {
	if c.json {
		return c.printJSON(h)
	}
	c.say("health      %s", c.outLook.paint(string(h.Status)))
	for _, condition := range h.Conditions {
		c.say("            - %s", oneLine.Replace(condition))
	}
	c.say("backup      %s%s", ago(h.LastBackupAt), c.stale(h))
	c.say("compaction  %s", ago(h.LastCompactionAt))
	c.say("")
	g := c.grid("TABLE", "STATUS", ">RECORDS", ">SIZE", ">FRAGMENTED", "SNAPSHOT", "PROVEN")
	for _, t := range h.Tables { // what is wrong with one is among the conditions
		g.row(t.Table, string(t.Status), number(t.RecordCount), size(t.FileSizeBytes), fmt.Sprintf("%.0f %%", 100*t.Fragmentation),
			ago(t.LastSnapshotAt), ago(t.LastProvenAt))
	}
	return g.end()
}
