package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// imported is what an import prints.
type imported struct {
	Records int `json:"records"`
}

func newImport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "import <file or ->",
		Short: "Write records from JSON lines",
		Long: `Write records from JSON lines {"table", "key", "value", "expires_at"?}, plain or
packed with gzip or zstd. key_base64 and value_base64 stand in where bytes are not
JSON or UTF-8. Lines are committed in batches of up to 1,000; a wrong line is named,
and then nothing of its batch is imported. Exits with 0 only when all is durable.
Importing a file again does no harm.`,
		Example:           "  brock import records.jsonl.gz\n  brock export task_queue --data ./other | brock import -",
		GroupID:           groupRecords,
		ValidArgsFunction: recordFiles,
		Args:              cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.importFile(cmd.Context(), args[0])
		},
	}
}

func (c *cli) importFile(ctx context.Context, name string) (err error) {
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
	total, err := c.importBatches(ctx, a, lines)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(imported{total})
	}
	c.say("imported %s", counted(total, "record"))
	return nil
}

// importBatches sends one batch after the other, so that of a key that is repeated
// the last line wins.
func (c *cli) importBatches(ctx context.Context, a asker, lines *lines) (total int, err error) {
	b := c.newBars()
	defer b.end()
	for {
		batch, first, err := lines.batch()
		if err != nil {
			return total, importError(lines.name, total, first, lines.line, err)
		}
		if len(batch) == 0 {
			return total, nil
		}
		var done imported
		if err := a.ask(ctx, "records.import", batch, &done); err != nil {
			return total, importError(lines.name, total, first, lines.line, err)
		}
		total += done.Records
		b.show(filepath.Base(lines.name), lines.read.n, lines.total)
	}
}

// importError names the wrong line by its number in the file, and says what is
// durable already.
func importError(name string, total, first, last int, err error) error {
	e := &bus.Error{Code: "import_failed", Status: http.StatusInternalServerError}
	var hub *bus.Error
	if errors.As(err, &hub) {
		e.Code, e.Status, e.Table = hub.Code, hub.Status, hub.Table
	}
	durable := fmt.Sprintf("the %s before are durable", counted(total, "record"))
	if line, problem := wrongLine(hub); line > 0 {
		e.Message = fmt.Sprintf("%s: line %d: %s; nothing of its batch (lines %d to %d) was imported, %s; correct it and import again",
			name, first+line-1, problem, first, last, durable)
		e.Body = map[string]int{"line": first + line - 1, "records": total}
		return e
	}
	e.Message = fmt.Sprintf("%s: %s; what stands from line %d on may not be imported, %s; importing again does no harm", name, message(err), first, durable)
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
