package main

import (
	"context"
	"errors"
	"strings"

	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// counts answers records.count.
type counts struct {
	Tables []remote.TableCount `json:"tables"`
}

func newCount(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "count [table…]",
		Short:             "Print how many records tables have",
		Long:              "Print how many live records tables have, all tables by default: name, tab, number.",
		Example:           "  brock count\n  brock count task_queue | cut -f2",
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(0),
		RunE: func(cmd *cobra.Command, tables []string) error {
			if err := checkTables(tables); err != nil {
				return err
			}
			return c.count(cmd.Context(), tables)
		},
	}
}

func (c *cli) count(ctx context.Context, tables []string) error {
	var n counts
	if err := c.ask(ctx, bus.Admin, "records.count", tablesRequest{tables}, &n); err != nil {
		return err
	}
	var failed []string
	for _, t := range n.Tables {
		if t.Error != "" {
			failed = append(failed, t.Error)
		} else if !c.json {
			c.say("%s\t%d", t.Table, t.Records)
		}
	}
	if c.json {
		if err := c.printJSON(n); err != nil {
			return err
		}
	}
	return uncounted(failed, len(n.Tables))
}

// uncounted is the outcome of a count in which tables do not serve.
func uncounted(failed []string, of int) error {
	switch len(failed) {
	case 0:
		return nil
	case of:
		return &exit{exitFailure, errors.New(strings.Join(failed, "\n"))}
	default:
		return &exit{exitPartial, errors.New(strings.Join(failed, "\n"))}
	}
}
