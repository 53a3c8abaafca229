package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// putRequest is the body of records.put.
type putRequest struct {
	keyRequest
	Value     []byte      `json:"value_base64"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
	IfAbsent  bool        `json:"if_absent,omitempty"`
	IfVersion app.Version `json:"if_version,omitempty"`
}

// written answers records.put and records.delete.
type written struct {
	Table   string      `json:"table"`
	Version app.Version `json:"version"`
}

func newPut(c *cli) *cobra.Command {
	var req putRequest
	var expires string
	cmd := &cobra.Command{
		Use:   "put <table> <key> <value or ->",
		Short: "Write a record",
		Long: `Write a record; the value is stored as given, or read from standard input for -.
It returns when the record is durable, and prints the version that wrote it.
A value that begins with a dash stands behind --.`,
		Example: `  brock put task_queue task-1 '{"status":"queued"}'
  brock put agentcom_config logo - < logo.png
  brock put agent_mailbox ping hello --expires-at 2026-12-24T18:00:00Z
  brock put task_queue task-1 '{"status":"done"}' --if-version 1829384756291584`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			req.keyRequest = keyRequest{args[0], []byte(args[1])}
			if err := checkPut(cmd, &req, expires); err != nil {
				return err
			}
			if req.Value, err = c.value(args[2]); err != nil {
				return err
			}
			return c.put(cmd.Context(), req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&expires, "expires-at", "", "the record is invisible from this RFC 3339 `time` on")
	f.BoolVar(&req.IfAbsent, "if-absent", false, "only if the key has no record")
	f.Uint64Var((*uint64)(&req.IfVersion), "if-version", 0, "only if the record has this `version`")
	return cmd
}

func checkPut(cmd *cobra.Command, req *putRequest, expires string) error {
	if cmd.Flags().Changed("if-version") && (req.IfVersion == 0 || req.IfAbsent) {
		return usagef("--if-version needs a version above 0, and does not go with --if-absent")
	}
	if expires != "" {
		at, err := time.Parse(time.RFC3339, expires)
		if at = at.UTC(); err == nil { // Go parses zones, and so years, that JSON has not
			_, err = at.MarshalText()
		}
		if err != nil {
			return usagef("--expires-at %q is no RFC 3339 time such as 2026-12-24T18:00:00Z", expires)
		}
		req.ExpiresAt = &at
	}
	return checkTables([]string{req.Table})
}

// value is the argument, or what stands on standard input for "-".
func (c *cli) value(arg string) ([]byte, error) {
	if arg != "-" {
		return []byte(arg), nil
	}
	b, err := io.ReadAll(c.in)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w; nothing was written", err)
	}
	return b, nil
}

func (c *cli) put(ctx context.Context, req putRequest) error {
	var w written
	if err := c.ask(ctx, bus.Admin, "records.put", req, &w); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(w)
	}
	c.say("stored at version %d", w.Version)
	return nil
}
