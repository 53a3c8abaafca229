package main

import (
	"errors"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newExport(c *cli) *cobra.Command {
	var req scanRequest
	cmd := &cobra.Command{
		Use:   "export <table>…",
		Short: "Print all records of tables",
		Long: `Print all records of tables as JSON lines, in key order, each table at one version.
brock import reads the same lines. With --at, as they were at a moment, with --snapshot
as a snapshot has them. An export that ends without an error agrees with the table's
own account of itself.
` + aboutMoments + `

--format badger writes one table as a backup of stock Badger, which badger restore
loads: keys, values and versions as they are, expiry rounded up to seconds. That format
has no checksums and no mark at its end, so look at the exit code.`,
		Example: `  brock export task_queue | zstd > task_queue.jsonl.zst
  brock export task_queue --snapshot latest > task_queue.jsonl
  brock export task_queue --format badger > task_queue.bak`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(0),
		Args:              cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, tables []string) (err error) {
			if err := checkTables(tables); err != nil {
				return err
			}
			if err := c.checkExport(req, tables); err != nil {
				return err
			}
			a, err := c.connect(cmd.Context(), bus.Admin)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			for _, table := range tables {
				req.Table = table
				if err := scan(cmd.Context(), a, req, c.out); err != nil {
					return err
				}
			}
			return nil
		},
	}
	atFlag(cmd, &req.At)
	formatFlag(cmd, &req.Format)
	cmd.Flags().StringVar(&req.Snapshot, "snapshot", "", "as this snapshot has them: its `name`, a run id, or latest")
	_ = cmd.RegisterFlagCompletionFunc("snapshot", c.snapshots)
	return cmd
}

// What export writes and import reads.
const (
	formatLines  = "jsonl"
	formatBadger = "badger"
)

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", formatLines, "jsonl, or badger: a `format`, JSON lines or a backup of stock Badger")
	_ = cmd.RegisterFlagCompletionFunc("format", words(formatLines, formatBadger))
}

func checkFormat(format string) error {
	if format != formatLines && format != formatBadger {
		return usagef("--format %q is none; it is %s or %s", format, formatLines, formatBadger)
	}
	return nil
}

func (c *cli) checkExport(req scanRequest, tables []string) error {
	switch {
	case req.At != "" && req.Snapshot != "":
		return usagef("--at and --snapshot say different things; use one")
	case req.Format == formatBadger && len(tables) != 1:
		return usagef("a backup of Badger holds one table; export them one by one")
	case req.Format == formatBadger && c.outLook.terminal:
		return usagef("a backup of Badger is nothing to look at; write it into a file")
	}
	return errors.Join(checkFormat(req.Format), checkMoment(req.At))
}
