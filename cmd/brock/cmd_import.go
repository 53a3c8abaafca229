package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// imported is what an import prints.
type imported struct {
	Records  int `json:"records"`
	UserMeta int `json:"user_meta_left_out,omitempty"`
}

type importOptions struct{ format, table string }

func newImport(c *cli) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import <file or ->",
		Short: "Write records from JSON lines or a backup of Badger",
		Long: `Write records from JSON lines {"table", "key", "value", "expires_at"?}, plain or
packed with gzip or zstd. key_base64 and value_base64 stand in where bytes are not
JSON or UTF-8. Lines are committed in batches of up to 1,000; a wrong line is named,
and then nothing of its batch is imported. Exits with 0 only when all is durable.
Importing a file again does no harm.

--format badger --table T reads what stock badger backup or DB.Backup wrote, also packed:
of each key the newest version, without what is deleted or expired. All of the file is
read first, in the data directory's scratch folder, and nothing is imported of one that
is empty, cut off or damaged, as far as that shows: the format has no checksums, and a
file that lacks whole frames at its end looks like a smaller backup.`,
		Example: `  brock import records.jsonl.gz
  brock export task_queue --data ./other | brock import -
  brock import --format badger --table task_queue badger.bak`,
		GroupID:           groupRecords,
		ValidArgsFunction: recordFiles,
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return c.importFile(cmd.Context(), args[0], o)
		},
	}
	formatFlag(cmd, &o.format)
	cmd.Flags().StringVar(&o.table, "table", "", "with --format badger, the `table` to write into")
	_ = cmd.RegisterFlagCompletionFunc("table", c.tables(0))
	return cmd
}

func (o importOptions) check() error {
	switch {
	case o.format == formatBadger && o.table == "":
		return usagef("a backup of Badger names no table; say --table")
	case o.format != formatBadger && o.table != "":
		return usagef("--table is for --format badger; JSON lines name their tables")
	case o.table != "":
		return errors.Join(checkFormat(o.format), checkTables([]string{o.table}))
	}
	return checkFormat(o.format)
}

func (c *cli) importFile(ctx context.Context, name string, o importOptions) (err error) {
	lines, err := c.openLines(name)
	if err != nil {
		return err
	}
	defer lines.close()
	a, err := c.connect(ctx, bus.Admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	var done imported
	if o.format == formatBadger {
		stock, openErr := c.openStock(ctx, a, lines, o.table)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, stock.Close()) }()
		done.UserMeta = stock.UserMeta()
	}
	if done.Records, err = c.importBatches(ctx, a, lines); err != nil {
		return err
	}
	if done.UserMeta > 0 && !c.json {
		c.complain(fmt.Errorf("%s had a user meta byte, which a table does not keep", counted(done.UserMeta, "record")))
	}
	if c.json {
		return c.printJSON(done)
	}
	c.say("imported %s", counted(done.Records, "record"))
	return nil
}

// openStock reads a backup of Badger from end to end; lines then are its records.
func (c *cli) openStock(ctx context.Context, a asker, lines *lines, table string) (*remote.Stock, error) {
	if err := a.ask(ctx, "records.count", tablesRequest{[]string{table}}, nil); err != nil {
		return nil, err
	}
	stock, err := remote.OpenStock(ctx, c.data, lines.r, table)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; nothing was imported", lines.name, err)
	}
	lines.r, lines.unit = bufio.NewReader(stock), "record"
	return stock, nil
}

// importBatches sends one batch after the other, so that of a key that is repeated
// the last line wins.
func (c *cli) importBatches(ctx context.Context, a asker, lines *lines) (total int, err error) {
	b := c.newBars()
	defer b.end()
	for {
		batch, first, err := lines.batch()
		if err != nil {
			return total, importError(lines, total, first, err)
		}
		if len(batch) == 0 {
			return total, nil
		}
		var done imported
		if err := a.ask(ctx, "records.import", batch, &done); err != nil {
			return total, importError(lines, total, first, err)
		}
		total += done.Records
		b.show(filepath.Base(lines.name), lines.read.n, lines.total)
	}
}

// importError names the wrong line by its number in the file, and says what is
// durable already.
func importError(l *lines, total, first int, err error) error {
	e := &bus.Error{Code: "import_failed", Status: http.StatusInternalServerError}
	var hub *bus.Error
	if errors.As(err, &hub) {
		e.Code, e.Status, e.Table = hub.Code, hub.Status, hub.Table
	}
	durable := fmt.Sprintf("the %s before are durable", counted(total, "record"))
	if line, problem := wrongLine(hub); line > 0 {
		e.Message = fmt.Sprintf("%s: %s %d: %s; nothing of its batch (%ss %d to %d) was imported, %s; correct it and import again",
			l.name, l.unit, first+line-1, problem, l.unit, first, l.line, durable)
		e.Body = map[string]int{"line": first + line - 1, "records": total}
		return e
	}
	e.Message = fmt.Sprintf("%s: %s; what stands from %s %d on may not be imported, %s; importing again does no harm", l.name, message(err), l.unit, first, durable)
	e.Body = map[string]int{"records": total}
	return e
}

// wrongLine is the line within the batch that the hub refused, 0 where it named none.
func wrongLine(e *bus.Error) (int, string) {
	if e == nil || e.Body == nil {
		return 0, ""
	}
	var body struct {
		Line    int    `json:"line"`
		Problem string `json:"problem"`
	}
	b, err := json.Marshal(e.Body)
	if err != nil || json.Unmarshal(b, &body) != nil {
		return 0, ""
	}
	return body.Line, body.Problem
}
