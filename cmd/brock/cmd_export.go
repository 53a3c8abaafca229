package main

import (
	"errors"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export <table>…",
		Short: "Print all records of tables",
		Long: `Print all records of tables as JSON lines, in key order, each table at one version.
brock import reads the same lines.`,
		Example:           "  brock export task_queue | zstd > task_queue.jsonl.zst",
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(0),
		Args:              cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, tables []string) (err error) {
			if err := checkTables(tables); err != nil {
				return err
			}
			a, err := c.connect(cmd.Context(), bus.Admin)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			for _, table := range tables {
				if err := scan(cmd.Context(), a, scanRequest{Table: table}, c.out); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
