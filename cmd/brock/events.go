package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
)

// detail is what a line about an event can tell, of all the types' fields.
type detail struct {
	app.Run
	Table        string        `json:"table"`
	Checked      int           `json:"checked"`
	Problems     []app.Problem `json:"problems"`
	Proven       []app.Proof   `json:"proven"`
	RecordCount  uint64        `json:"record_count"`
	LaterCommits uint64        `json:"later_commits"`
	Missing      string        `json:"missing"`
	BackupUsed   string        `json:"backup_used"`
	At           *time.Time    `json:"at"`
	LastBackupAt *time.Time    `json:"last_backup_at"`
	Error        string        `json:"error"`
	Problem      string        `json:"problem"`
	Reason       string        `json:"reason"`
}

// eventLine is an event in one line: its type, then what happened.
func (c *cli) eventLine(e bus.Event) string {
	var d detail
	text := string(e.Detail)
	if e.Decode(&d) == nil { // else of a newer hub, perhaps
		text = d.text(e.Type)
	}
	typ := c.outLook.dye(eventColour(e.Type, d.Status), fmt.Sprintf("%-19s", e.Type))
	return strings.TrimRight(typ+" "+oneLine.Replace(text), " ")
}

// eventColour goes by the type's last word; a partial success has its own.
func eventColour(t bus.EventType, status app.Status) string {
	name := string(t)
	switch {
	case status == app.StatusPartial, t == bus.BackupStale, t == bus.TableDegraded:
		return amber
	case strings.HasSuffix(name, "_failed"), t == bus.CorruptionDetected, status == app.StatusFailed:
		return red
	case strings.HasSuffix(name, "_complete"):
		return green
	}
	return ""
}

func (d detail) text(t bus.EventType) string {
	switch t {
	case bus.BackupStarted:
		return fmt.Sprintf("run %s, %s, trigger %s", d.ID, counted(d.TablesTotal, "table"), d.Trigger)
	case bus.BackupComplete, bus.BackupFailed:
		return d.unless(app.StatusComplete) + runLine(d.Run) + d.failures()
	case bus.RecoveryComplete:
		if d.Trigger == "auto" {
			return d.healed()
		}
		text := fmt.Sprintf("%s restored to %s, %s", d.Table, stamp(d.At), counted(d.RecordCount, "record"))
		if d.LaterCommits > 0 {
			text += ", " + counted(d.LaterCommits, "later commit") + " left out"
		}
		return text
	case bus.CorruptionDetected:
		return d.Table + ": " + strings.TrimSuffix(strings.TrimPrefix(d.Error, "table "+d.Table+" is damaged: "), "; restore the table")
	case bus.RecoveryFailed:
		return d.Table + ": " + d.Error
	case bus.TableDegraded:
		return d.Table + ": " + d.Reason
	case bus.VerifyComplete:
		return d.unless(app.StatusOK) + fmt.Sprintf("%s, %s read in %s", counted(d.Checked, "snapshot"), size(d.Bytes), took(d.DurationMS)) + d.damage()
	case bus.DrillComplete, bus.DrillFailed:
		return fmt.Sprintf("%d of %s proven in %s", len(d.Proven), counted(d.Checked, "snapshot"), took(d.DurationMS)) + d.damage()
	case bus.BackupStale:
		return "last backup " + ago(d.LastBackupAt)
	case bus.CompactionComplete, bus.CompactionFailed:
		return d.unless(app.StatusComplete) + fmt.Sprintf("%s in %s", counted(len(d.Results), "table"), took(d.DurationMS)) + d.failures()
	}
	return strings.Join(strings.Fields(strings.Join([]string{d.Table, d.Problem, d.Error, d.Reason}, " ")), " ")
}

// healed tells of a table that was rebuilt without anybody asking for it.
func (d detail) healed() string {
	from := "from the change log alone"
	if d.BackupUsed != "" {
		from = "from snapshot " + d.BackupUsed + " and the change log"
	}
	text := fmt.Sprintf("%s healed %s, %s, ", d.Table, from, counted(d.RecordCount, "record"))
	if d.Missing == "" {
		return text + "nothing is missing"
	}
	return text + "MISSING: " + d.Missing
}

// unless is the status where it is not the usual one.
func (d detail) unless(usual app.Status) string {
	if d.Status == usual || d.Status == "" {
		return ""
	}
	return string(d.Status) + ": "
}

// failures names the tables that failed, the first with its reason.
func (d detail) failures() string {
	var names []string
	first := ""
	for _, r := range d.Results {
		if r.Error == "" {
			continue
		}
		if names = append(names, r.Table); len(names) == 1 {
			first = strings.TrimPrefix(r.Error, "table "+r.Table+": ")
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "; " + names[0] + ": " + first
	}
	return "; failed: " + strings.Join(names, ", ")
}

// damage tells the first problem, and how many more there are.
func (d detail) damage() string {
	if len(d.Problems) == 0 {
		return ""
	}
	p := d.Problems[0]
	out := "; " + strings.TrimSpace(p.Table+" "+p.Snapshot) + ": " + p.Problem
	if n := len(d.Problems) - 1; n > 0 {
		out += fmt.Sprintf(", and %d more", n)
	}
	return out
}
