package main

import (
	"encoding/json"
	"errors"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newBackup(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "backup [table…]",
		Short: "Back up tables, all by default, at one cut",
		Long: `Back up tables, all by default, at one consistent cut. Writes go on meanwhile.
What was acknowledged before is in it. Exits with 3 when some tables failed.`,
		Example:           "  brock backup\n  brock backup task_queue agent_mailbox --json",
		GroupID:           groupBackups,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			return c.backup(cmd, tables)
		},
	}
}

func (c *cli) backup(cmd *cobra.Command, tables []string) error {
	var run app.Run
	err := c.askSlowly(cmd.Context(), bus.Operator, "backup", tablesRequest{tables}, &run)
	if e, failed := isCode(err, "backup_failed"); failed {
		run, err = failedRun(e)
	}
	if err != nil {
		return err
	}
	if err := c.printRun(run); err != nil {
		return err
	}
	return codeFor(run.Status)
}

// failedRun takes the run out of the error that it is the body of.
func failedRun(e *bus.Error) (run app.Run, err error) {
	if raw, ok := e.Body.(json.RawMessage); ok {
		return run, json.Unmarshal(raw, &run)
	}
	if run, ok := e.Body.(app.Run); ok {
		return run, nil
	}
	return run, errors.New(e.Message)
}

// printRun prints a run and the outcome of each of its tables.
func (c *cli) printRun(run app.Run) error {
	if c.json {
		return c.printJSON(run)
	}
	c.say("backup %s  %s", c.outLook.paint(string(run.Status)), runLine(run))
	c.say("run %s  cut %s  trigger %s", run.ID, stamp(run.CutAt), run.Trigger)
	c.say("")
	g := c.grid("TABLE", "STATUS", ">RECORDS", ">SIZE", ">TOOK", ">PAUSE")
	var why reasons
	for _, r := range run.Results {
		if r.Status != app.StatusOK {
			g.row(r.Table, string(r.Status), "-", "-", took(r.DurationMS), "-")
			why.add(r.Table, r.Error)
			continue
		}
		g.row(r.Table, string(r.Status), number(r.Records), size(r.Size), took(r.DurationMS), took(r.PauseMS))
	}
	if err := g.end(); err != nil {
		return err
	}
	c.sayReasons(&why)
	if run.Problem != "" {
		c.say("\n%s", run.Problem)
	}
	return nil
}

// runLine is a run in one line.
func runLine(run app.Run) string {
	records := uint64(0)
	for _, r := range run.Results {
		records += r.Records
	}
	return number(run.TablesSuccess) + " of " + counted(run.TablesTotal, "table") + ", " + counted(records, "record") + ", " +
		size(run.Bytes) + " in " + took(run.DurationMS) + ", pause " + took(run.PauseMS)
}
