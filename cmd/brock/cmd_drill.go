package main

import (
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newDrill(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "drill [table…]",
		Short: "Prove that the newest snapshots restore",
		Long: `Restore the newest snapshot of each table into a scratch place, read it back, and
compare it with the ledger at the cut. What passes is proven. Exits with 1 when
anything did not.`,
		Example:           "  brock drill\n  brock drill task_queue",
		GroupID:           groupBackups,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			var r app.DrillReport
			if err := c.askSlowly(cmd.Context(), bus.Operator, "drill", tablesRequest{tables}, &r); err != nil {
				return err
			}
			if err := c.printDrill(r); err != nil {
				return err
			}
			return codeFor(r.Status)
		},
	}
}

func (c *cli) printDrill(r app.DrillReport) error {
	if c.json {
		return c.printJSON(r)
	}
	c.say("drill %s  %d of %s proven, %s in %s", c.outLook.paint(string(r.Status)), len(r.Proven), counted(r.Checked, "snapshot"), size(r.Bytes), took(r.DurationMS))
	if r.Checked == 0 && len(r.Problems) == 0 {
		c.say("nothing to prove: there are no snapshots; make some with brock backup")
	}
	if len(r.Proven) > 0 {
		c.say("")
		g := c.grid("TABLE", "SNAPSHOT", ">RECORDS", ">TOOK")
		for _, p := range r.Proven {
			g.row(p.Table, p.Snapshot, number(p.Records), took(p.DurationMS))
		}
		if err := g.end(); err != nil {
			return err
		}
	}
	return c.printProblems(r.Problems)
}
