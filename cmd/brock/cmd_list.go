package main

import (
	"context"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "list [table…]",
		Aliases:           []string{"ls"},
		Short:             "List the snapshots in the vault",
		Long:              "List the complete snapshots in the vault, by table, then newest first; of each table\nfrom when to when any moment can be restored and looked at; and what is damaged.",
		Example:           "  brock list\n  brock list task_queue --json",
		GroupID:           groupBackups,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			return c.list(cmd.Context(), tables)
		},
	}
}

func (c *cli) list(ctx context.Context, tables []string) error {
	var l app.Listing
	if err := c.ask(ctx, bus.Viewer, "list", tablesRequest{tables}, &l); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(l)
	}
	if len(l.Snapshots) == 0 {
		c.say("no snapshots; make some with brock backup")
	} else if err := c.printSnapshots(l.Snapshots); err != nil {
		return err
	}
	c.printRanges(l.Ranges)
	return c.printProblems(l.Problems)
}

// printRanges says when each table can be restored to, in a line. Several stretches
// are told apart: between them lie breaks of the change log.
func (c *cli) printRanges(ranges []app.Restorable) {
	wide, text := 0, map[string]string{}
	var tables []string
	for _, r := range ranges {
		from := "the beginning"
		if r.FromAt != nil {
			from = stamp(r.FromAt)
		}
		span := from + " to " + stamp(r.ToAt)
		if old := text[r.Table]; old != "" {
			text[r.Table] = old + ", then from " + span
			continue
		}
		wide, text[r.Table] = max(wide, len(r.Table)), "any moment from "+span
		tables = append(tables, r.Table)
	}
	for i, table := range tables {
		if i == 0 {
			c.say("")
		}
		c.say("%-*s  %s", wide, table, text[table])
	}
}

func (c *cli) printSnapshots(snapshots []app.Snapshot) error {
	g := c.grid("TABLE", "SNAPSHOT", "CUT", ">RECORDS", ">SIZE", "PROVEN")
	var bytes int64
	var proven int
	for i, s := range snapshots {
		table, state := s.Table, "-"
		if c.outLook.terminal && i > 0 && snapshots[i-1].Table == table {
			table = "" // easier to look at; a pipe wants whole lines
		}
		if s.ProvenAt != nil {
			state = "proven " + ago(s.ProvenAt)
			proven++
		}
		bytes += s.Bytes
		g.row(table, s.Name, ago(s.CutAt), number(s.Records), size(s.Bytes), state)
	}
	if err := g.end(); err != nil {
		return err
	}
	c.say("\n%s, %s, %d proven", counted(len(snapshots), "snapshot"), size(bytes), proven)
	return nil
}
