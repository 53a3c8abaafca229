package main

import (
	"context"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// keyRequest and record are the bodies of records.get.
type keyRequest struct {
	Table string `json:"table"`
	Key   []byte `json:"key_base64"`
}

type record struct {
	Table     string      `json:"table"`
	Key       []byte      `json:"key_base64"`
	Value     []byte      `json:"value_base64"`
	Version   app.Version `json:"version"`
	ExpiresAt *time.Time  `json:"expires_at"`
}

func newGet(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "get <table> <key>",
		Short:             "Print a record's value",
		Long:              "Print a record's value, byte for byte. With --json, also its version and expiry.",
		Example:           "  brock get task_queue task-1\n  brock get task_queue task-1 --json | jq .version",
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTables(args[:1]); err != nil {
				return err
			}
			return c.get(cmd.Context(), args[0], args[1])
		},
	}
}

func (c *cli) get(ctx context.Context, table, key string) error {
	var r record
	if err := c.ask(ctx, bus.Admin, "records.get", keyRequest{table, []byte(key)}, &r); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(r)
	}
	value := r.Value
	if c.outLook.terminal && (len(value) == 0 || value[len(value)-1] != '\n') {
		value = append(value, '\n')
	}
	_, err := c.out.Write(value)
	return err
}
