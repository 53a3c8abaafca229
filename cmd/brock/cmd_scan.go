package main

import (
	"context"
	"errors"
	"io"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// scanRequest and scanReply are the bodies of records.scan.
type scanRequest struct {
	Table   string `json:"table"`
	Prefix  []byte `json:"prefix_base64,omitempty"`
	From    []byte `json:"from_base64,omitempty"`
	To      []byte `json:"to_base64,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	Reverse bool   `json:"reverse,omitempty"`
	// As the table was; "" for now.
	At       string `json:"at,omitempty"`
	Snapshot string `json:"snapshot,omitempty"`
	Format   string `json:"format,omitempty"`
	Cursor   string `json:"cursor,omitempty"`
}

type scanReply struct {
	Lines  string `json:"lines"`
	Stream []byte `json:"stream_base64"`
	Cursor string `json:"cursor"`
}

func newScan(c *cli) *cobra.Command {
	var prefix, from, to string
	var req scanRequest
	cmd := &cobra.Command{
		Use:   "scan <table>",
		Short: "Print the records of a range of keys",
		Long: `Print the records of a range of keys as JSON lines, in key order, at one version.
brock import reads the same lines. With --at, as they were at a moment, whatever was
restored since; the table is not touched.
` + aboutMoments,
		Example: `  brock scan task_queue --prefix task-1 --limit 10
  brock scan task_queue --at 2026-11-22T21:04:05Z
  brock scan channel_history --from 2026-11 --to 2026-12 --reverse`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := checkTables(args); err != nil {
				return err
			}
			if req.Limit < 0 {
				return usagef("--limit %d is below 0", req.Limit)
			}
			if err := checkMoment(req.At); err != nil {
				return err
			}
			req.Table, req.Prefix, req.From, req.To = args[0], []byte(prefix), []byte(from), []byte(to)
			a, err := c.connect(cmd.Context(), bus.Admin)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			return scan(cmd.Context(), a, req, c.out)
		},
	}
	f := cmd.Flags()
	f.StringVar(&prefix, "prefix", "", "only keys that begin with this `text`")
	f.StringVar(&from, "from", "", "only this `key` and those after it")
	f.StringVar(&to, "to", "", "only keys before this `key`")
	f.IntVar(&req.Limit, "limit", 0, "at most so many records (default all)")
	f.BoolVar(&req.Reverse, "reverse", false, "the last key first")
	atFlag(cmd, &req.At)
	return cmd
}

// scan writes the records' lines, piece by piece, at one version.
func scan(ctx context.Context, a asker, req scanRequest, w io.Writer) error {
	for {
		var piece scanReply
		if err := a.ask(ctx, "records.scan", req, &piece); err != nil {
			return err
		}
		if _, err := w.Write(append([]byte(piece.Lines), piece.Stream...)); err != nil {
			return err
		}
		if piece.Cursor == "" {
			return nil
		}
		req = scanRequest{Table: req.Table, Cursor: piece.Cursor}
	}
}
