package main

import (
	"context"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// getRequest and record are the bodies of records.get.
type keyRequest struct {
	Table string `json:"table"`
	Key   []byte `json:"key_base64"`
}

type getRequest struct {
	keyRequest
	At string `json:"at,omitempty"`
}

type record struct {
	Table     string      `json:"table"`
	Key       []byte      `json:"key_base64"`
	Value     []byte      `json:"value_base64"`
	Version   app.Version `json:"version"`
	ExpiresAt *time.Time  `json:"expires_at"`
}

func newGet(c *cli) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "get <table> <key>",
		Short: "Print a record's value",
		Long: `Print a record's value, byte for byte. With --json, also its version and expiry.
With --at, as it was at a moment, whatever was restored since; the table is not touched.
` + aboutMoments,
		Example: `  brock get task_queue task-1
  brock get task_queue task-1 --at "10m ago"
  brock get task_queue task-1 --json | jq .version`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTables(args[:1]); err != nil {
				return err
			}
			if err := checkMoment(at); err != nil {
				return err
			}
			return c.get(cmd.Context(), getRequest{keyRequest{args[0], []byte(args[1])}, at})
		},
	}
	atFlag(cmd, &at)
	return cmd
}

// aboutMoments is for the help of commands that look into the past.
const aboutMoments = `A moment is a time (2026-11-22T21:04:05Z), a while ago ("10m ago", "2d ago"), a version,
or latest; brock list shows from when to when.`

func atFlag(cmd *cobra.Command, at *string) {
	cmd.Flags().StringVar(at, "at", "", "as it was at this `moment`: RFC 3339, \"10m ago\", a version, or latest")
}

// checkMoment refuses what is no moment, before anybody is asked.
func checkMoment(text string) error {
	if text == "" {
		return nil
	}
	if _, err := app.ParseMoment(text, time.Now()); err != nil {
		return usagef("%v", err)
	}
	return nil
}

func (c *cli) get(ctx context.Context, req getRequest) error {
	var r record
	if err := c.ask(ctx, bus.Admin, "records.get", req, &r); err != nil {
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
