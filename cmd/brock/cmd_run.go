package main

import (
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newRun(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "run <id>",
		Short:             "Show one backup run",
		Long:              "Show one backup run and the outcome of each of its tables. brock list shows the ids.",
		Example:           "  brock run \"$(brock list --json | jq -r '.snapshots[0].run')\"",
		GroupID:           groupBackups,
		ValidArgsFunction: c.runs,
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var run app.Run
			if err := c.ask(cmd.Context(), bus.Viewer, "run", map[string]string{"run": args[0]}, &run); err != nil {
				return err
			}
			return c.printRun(run)
		},
	}
}
