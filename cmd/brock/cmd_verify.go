package main

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newVerify(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [table…]",
		Short: "Check every byte in the vault",
		Long: `Read every byte of the snapshots and compare it with the manifests and run
records. It only reads. Exits with 1 when anything is wrong.`,
		Example:           "  brock verify\n  brock verify task_queue --json",
		GroupID:           groupBackups,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			var r app.Report
			if err := c.askSlowly(cmd.Context(), bus.Operator, "verify", tablesRequest{tables}, &r); err != nil {
				return err
			}
			if err := c.printReport(r); err != nil {
				return err
			}
			return codeFor(r.Status)
		},
	}
}

func (c *cli) printReport(r app.Report) error {
	if c.json {
		return c.printJSON(r)
	}
	c.say("verify %s  %s, %s read in %s", c.outLook.paint(string(r.Status)), counted(r.Checked, "snapshot"), size(r.Bytes), took(r.DurationMS))
	return c.printProblems(r.Problems)
}

// printProblems prints what is damaged, nothing where nothing is.
func (c *cli) printProblems(problems []app.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	c.say("\n%s:", counted(len(problems), "problem"))
	g := c.grid("TABLE", "SNAPSHOT", "FILE", "PROBLEM")
	for _, p := range problems {
		file := strings.Trim(strings.TrimPrefix(p.File, path.Join("tables", p.Table, "snapshots", p.Snapshot)), "/")
		if p.Offset > 0 {
			file += fmt.Sprintf(" at byte %d", p.Offset)
		}
		g.row(cmp.Or(p.Table, "-"), cmp.Or(p.Snapshot, "-"), cmp.Or(file, "-"), p.Problem)
	}
	return g.end()
}
