package main

import (
	"fmt"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newCompact(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "compact [table…]",
		Short: "Free the space of deleted and overwritten records",
		Long: `Rewrite tables, all by default, one after another, so that the space of deleted
and overwritten records is free again. Exits with 3 when some tables failed.`,
		Example:           "  brock compact\n  brock compact task_queue",
		GroupID:           groupHub,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			var r app.Compaction
			if err := c.ask(cmd.Context(), bus.Operator, "compact", tablesRequest{tables}, &r); err != nil {
				return err
			}
			if err := c.printCompaction(r); err != nil {
				return err
			}
			return codeFor(r.Status)
		},
	}
}

func (c *cli) printCompaction(r app.Compaction) error {
	if c.json {
		return c.printJSON(r)
	}
	c.say("compaction %s in %s\n", c.outLook.paint(string(r.Status)), took(r.DurationMS))
	g := c.grid("TABLE", "STATUS", ">RECORDS", ">BEFORE", ">AFTER", ">FRAGMENTED", ">TOOK")
	var why reasons
	for _, t := range r.Results {
		g.row(t.Table, string(t.Status), number(t.Records), size(t.BytesBefore), size(t.BytesAfter),
			fmt.Sprintf("%.0f → %.0f %%", 100*t.FragmentationBefore, 100*t.FragmentationAfter), took(t.DurationMS))
		why.add(t.Table, t.Error)
	}
	if err := g.end(); err != nil {
		return err
	}
	c.sayReasons(&why)
	return nil
}
