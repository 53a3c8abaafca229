package harness

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/brockdb/brock/app"
)

// journal is where a workload in a process that shall be killed writes what it
// sends and what was answered, so that another process knows. It survives the
// process, not the machine.
type journal struct{ f *os.File }

// journalLine is one batch that is sent, or the answer to it.
type journalLine struct {
	Batch   app.Batch   `json:",omitempty"`
	Version app.Version // of an answer; 0: nothing was written
}

func (h *Harness) journalPath(table string) string {
	return filepath.Join(h.Dir, "workload-"+table+".jsonl")
}

// loadJournal takes over what a killed process did, and begins a journal in a
// process that shall be killed.
func (w *Workload) loadJournal() error {
	path := w.h.journalPath(w.table)
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(w.replay(f), f.Close())
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil || !w.h.set.journal {
		return err
	}
	if f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	w.log = &journal{f}
	w.h.t.Cleanup(func() { _ = f.Close() })
	return nil
}

func (w *Workload) replay(f *os.File) error {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line journalLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil // the last line, torn by the kill: the batch was not sent yet
		}
		switch {
		case line.Batch != nil:
			w.model.maybe = line.Batch
			w.done++
		case line.Version > 0:
			w.model.apply(w.model.maybe, line.Version)
			w.model.maybe = nil
		default:
			w.model.maybe = nil
		}
	}
	return lines.Err()
}

func (j *journal) intend(b app.Batch) error          { return j.write(journalLine{Batch: b}) }
func (j *journal) outcome(version app.Version) error { return j.write(journalLine{Version: version}) }

func (j *journal) write(line journalLine) error {
	if j == nil {
		return nil
	}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = j.f.Write(append(b, '\n'))
	}
	return err
}
