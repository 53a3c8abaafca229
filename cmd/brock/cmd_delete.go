package main

import (
	"context"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// deleteRequest is the body of records.delete.
type deleteRequest struct {
	Table string   `json:"table"`
	Keys  [][]byte `json:"keys_base64"`
}

func newDelete(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "delete <table> <key>…",
		Aliases:           []string{"rm"},
		Short:             "Delete records",
		Long:              "Delete the records of the keys, all together. A key that has none is no error.",
		Example:           "  brock delete task_queue task-1 task-2",
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTables(args[:1]); err != nil {
				return err
			}
			return c.delete(cmd.Context(), args[0], args[1:])
		},
	}
}

func (c *cli) delete(ctx context.Context, table string, keys []string) error {
	req := deleteRequest{Table: table}
	for _, key := range keys {
		req.Keys = append(req.Keys, []byte(key))
	}
	var w written
	if err := c.ask(ctx, bus.Admin, "records.delete", req, &w); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(w)
	}
	c.say("%s deleted at version %d", counted(len(keys), "key"), w.Version)
	return nil
}
