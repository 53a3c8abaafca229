package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newRestore(c *cli) *cobra.Command {
	var req app.RestoreRequest
	cmd := &cobra.Command{
		Use:   "restore <table>… | --all",
		Short: "Take tables back to a snapshot or a moment",
		Long: `Take tables back to a snapshot, the newest by default, or with --at to any moment
that the change log reaches; all tables then to the same one. A moment is a time
(2026-11-22T21:04:05Z), a while ago ("10m ago", "2d ago"), a version, or latest, which
is all that the vault holds. What the tables were at a time stays restorable, whatever
was restored since; brock list shows from when to when. Each is built beside the live
table, proven, and swapped in at once; what it replaces is kept. Other tables never
notice. Exits with 3 when only some tables were restored. With --dry-run nothing is
restored: it says to when each table would be, how much would be read for it, and how
long the last proven restore of it took.`,
		Example: `  brock restore task_queue
  brock restore task_queue --dry-run
  brock restore --all --snapshot <run id>
  brock restore --all --at "10m ago"
  brock restore --all --to ./look-at-this`,
		GroupID:           groupBackups,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			req.Tables = tables
			if err := checkRestore(&req); err != nil {
				return err
			}
			return c.restore(cmd.Context(), req)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&req.All, "all", false, "restore every table that the hub serves")
	f.StringVar(&req.Snapshot, "snapshot", "", "a snapshot's `name`, a run id, or latest (default latest)")
	f.StringVar(&req.At, "at", "", "a `moment`: RFC 3339, \"10m ago\", a version, or latest")
	f.StringVar(&req.To, "to", "", "restore into this data `directory`, not into the hub")
	f.BoolVar(&req.DryRun, "dry-run", false, "only say what would be restored")
	_ = cmd.MarkFlagDirname("to")
	_ = cmd.RegisterFlagCompletionFunc("snapshot", c.snapshots)
	return cmd
}

func checkRestore(req *app.RestoreRequest) (err error) {
	switch {
	case req.All && len(req.Tables) > 0:
		return usagef("name tables or use --all, not both")
	case !req.All && len(req.Tables) == 0:
		return usagef("name the tables to restore, or use --all")
	case req.At != "" && req.Snapshot != "":
		return usagef("--at and --snapshot say different things; use one")
	}
	if req.At != "" {
		if _, err := app.ParseMoment(req.At, time.Now()); err != nil {
			return usagef("%v", err)
		}
	}
	if req.To != "" { // the hub works in another directory
		if req.To, err = filepath.Abs(req.To); err != nil {
			return err
		}
	}
	return checkTables(req.Tables)
}

func (c *cli) restore(ctx context.Context, req app.RestoreRequest) error {
	var r app.Restored
	if err := c.askSlowly(ctx, bus.Operator, "restore", req, &r); err != nil {
		return err
	}
	if err := c.printRestored(r, req); err != nil {
		return err
	}
	return codeFor(r.Status)
}

func (c *cli) printRestored(r app.Restored, req app.RestoreRequest) error {
	if c.json {
		return c.printJSON(r)
	}
	if req.DryRun {
		return c.printDryRun(r)
	}
	g := c.grid("TABLE", "", "TO", ">RECORDS", ">SIZE", ">LATER COMMITS LEFT OUT")
	var why reasons
	for _, t := range r.Results {
		if t.Status != app.StatusRestored {
			g.row(t.Table, string(t.Status), "-", "-", "-", "-")
			why.add(t.Table, t.Error)
			continue
		}
		g.row(t.Table, string(t.Status), stamp(t.At), number(t.Records), size(t.FileSize), number(t.LaterCommits))
	}
	if err := g.end(); err != nil {
		return err
	}
	c.sayReasons(&why)
	if req.To != "" {
		c.say("\nlook at it with brock --data %s", req.To)
	}
	return c.printReplaced(r)
}

// printReplaced says where the state from before is.
func (c *cli) printReplaced(r app.Restored) error {
	kept := slices.DeleteFunc(slices.Clone(r.Results), func(t app.RestoredTable) bool { return t.ReplacedDir == "" })
	if len(kept) == 0 {
		return nil
	}
	if len(kept) == 1 {
		c.say("\nwhat %s was before is kept in %s", kept[0].Table, kept[0].ReplacedDir)
		return nil
	}
	c.say("")
	g := c.grid("TABLE", "WHAT IT WAS BEFORE IS KEPT IN")
	for _, t := range kept {
		g.row(t.Table, t.ReplacedDir)
	}
	return g.end()
}

// printDryRun says what a restore would do, and cost.
func (c *cli) printDryRun(r app.Restored) error {
	g := c.grid("TABLE", "", "TO", ">RECORDS", ">WOULD READ", ">LAST TOOK", ">LATER COMMITS LEFT OUT")
	var why reasons
	for _, t := range r.Results {
		if t.Status != app.StatusRestored {
			g.row(t.Table, string(t.Status), "-", "-", "-", "-", "-")
			why.add(t.Table, t.Error)
			continue
		}
		last := "-"
		if t.LastMS > 0 {
			last = took(t.LastMS)
		}
		g.row(t.Table, "would be restored", stamp(t.At), number(t.Records), size(t.ReadBytes), last, number(t.LaterCommits))
	}
	if err := g.end(); err != nil {
		return err
	}
	c.sayReasons(&why)
	c.say("\nLAST TOOK is the last proven restore of the table; brock drill makes one")
	return nil
}
