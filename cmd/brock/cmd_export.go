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
` + aboutMoments,
		Example: `  brock export task_queue | zstd > task_queue.jsonl.zst
  brock export task_queue --snapshot latest > task_queue.jsonl`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(0),
		Args:              cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, tables []string) (err error) {
			if err := checkTables(tables); err != nil {
				return err
			}
			if err := checkMoment(req.At); err != nil {
				return err
			}
			if req.At != "" && req.Snapshot != "" {
				return usagef("--at and --snapshot say different things; use one")
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
	cmd.Flags().StringVar(&req.Snapshot, "snapshot", "", "as this snapshot has them: its `name`, a run id, or latest")
	_ = cmd.RegisterFlagCompletionFunc("snapshot", c.snapshots)
	return cmd
}
