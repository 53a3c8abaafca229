package main

import (
	"context"
	"errors"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// tailRequest and tailReply are the bodies of records.tail.
type tailRequest struct {
	Table string       `json:"table"`
	From  string       `json:"from,omitempty"`
	After *app.Version `json:"after,omitempty"`
	Skip  int          `json:"skip,omitempty"`
	Until string       `json:"until,omitempty"`
	Limit int          `json:"limit,omitempty"`
	Wait  int64        `json:"wait_ms,omitempty"`
}

type tailReply struct {
	Lines string      `json:"lines"`
	After app.Version `json:"after"`
	Skip  int         `json:"skip"`
	Until app.Version `json:"until"`
	Done  bool        `json:"done"`
}

// tailWaitMS is how long the hub waits for commits before it answers that there are none.
const tailWaitMS = 10_000

func newTail(c *cli) *cobra.Command {
	var req tailRequest
	cmd := &cobra.Command{
		Use:   "tail <table>",
		Short: "Follow a table's changes",
		Long: `Follow a table's change log as JSON lines, in the order of commits, from now on until
Ctrl-C: each record that was written, with its version and time, each deletion, and
each restore, which replaces the whole table. --from begins earlier, --until and
--limit end it. A change is there when the vault durably holds it, a second after its
commit. Nothing is left out: where the change log has a gap, the command fails and
says from when on it can be followed. Without a running hub it ends with what there is.
` + aboutMoments,
		Example: `  brock tail task_queue
  brock tail task_queue --from "10m ago" | jq -r .key
  brock tail task_queue --from 0 --until latest`,
		GroupID:           groupRecords,
		ValidArgsFunction: c.tables(1),
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkTables(args), checkMoment(req.From), checkMoment(req.Until)); err != nil {
				return err
			}
			if req.Limit < 0 {
				return usagef("--limit %d is below 0", req.Limit)
			}
			req.Table = args[0]
			return c.tail(cmd.Context(), req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.From, "from", "", "begin with what came after this `moment`: RFC 3339, \"10m ago\", a version (default now)")
	f.StringVar(&req.Until, "until", "", "end with what came up to this `moment`, such as latest")
	f.IntVar(&req.Limit, "limit", 0, "end after so many changes")
	return cmd
}

func (c *cli) tail(ctx context.Context, req tailRequest) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	a, err := c.connect(ctx, bus.Admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	_, live := a.(*online)
	if live {
		req.Wait = tailWaitMS
	}
	err = tail(ctx, a, req, live, c.out)
	if ctx.Err() != nil { // somebody has seen enough
		return nil
	}
	return err
}

// tail writes the changes page by page; each goes on where the one before ended.
func tail(ctx context.Context, a asker, req tailRequest, live bool, w io.Writer) error {
	for {
		var p tailReply
		if err := a.ask(ctx, "records.tail", req, &p); err != nil {
			return err
		}
		if _, err := io.WriteString(w, p.Lines); err != nil {
			return err
		}
		n := strings.Count(p.Lines, "\n")
		if p.Done || req.Limit > 0 && n >= req.Limit || !live && n == 0 {
			return nil
		}
		req.From, req.After, req.Skip = "", &p.After, p.Skip
		if req.Limit > 0 {
			req.Limit -= n
		}
		if p.Until > 0 {
			req.Until = strconv.FormatUint(uint64(p.Until), 10)
		}
	}
}
