package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// badNews are the events that somebody should look at.
var badNews = []EventType{BackupFailed, CompactionFailed, RecoveryFailed, CorruptionDetected, DrillFailed, BackupStale, TableDegraded}

// logEvent writes the one line of the log that an event is: what it is about, in the
// same words as its JSON.
func (h *Hub) logEvent(e Event) {
	var d eventFields
	if err := e.Decode(&d); err != nil {
		h.log.Error("an event cannot be read", "event", e.ID, "type", e.Type, "err", err)
		return
	}
	level := slog.LevelInfo
	if slices.Contains(badNews, e.Type) || d.Status == StatusPartial || d.Status == StatusFailed {
		level = slog.LevelError
	}
	h.log.LogAttrs(context.Background(), level, strings.ReplaceAll(string(e.Type), "_", " "), d.attrs(e)...)
}

// eventFields are the fields of events that their line in the log has.
type eventFields struct {
	Run           string    `json:"run"`
	Table         string    `json:"table"`
	Tables        []string  `json:"tables"`
	TablesSuccess int       `json:"tables_success"`
	TablesTotal   int       `json:"tables_total"`
	Trigger       string    `json:"trigger"`
	Status        Status    `json:"status"`
	Snapshot      string    `json:"snapshot"`
	ReplacedDir   string    `json:"replaced_dir"`
	LastBackupAt  string    `json:"last_backup_at"`
	AgeMS         float64   `json:"age_ms"`
	File          string    `json:"file"`
	Checked       int       `json:"checked"`
	Bytes         int64     `json:"bytes"`
	PauseMS       float64   `json:"pause_ms"`
	DurationMS    float64   `json:"duration_ms"`
	Error         string    `json:"error"`
	Problems      []Problem `json:"problems"`
	Results       []struct {
		Table string `json:"table"`
		Error string `json:"error"`
	} `json:"results"`
}

// attrs leaves out what the event does not have.
func (d *eventFields) attrs(e Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("event", e.ID)}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	number := func(key string, value float64) {
		if value != 0 {
			attrs = append(attrs, slog.Float64(key, value))
		}
	}
	text("run", d.Run)
	text("table", d.Table)
	text("tables", strings.Join(d.involved(), ","))
	text("trigger", d.Trigger)
	text("status", string(d.Status))
	if d.TablesTotal > 0 {
		attrs = append(attrs, slog.Int("tables_success", d.TablesSuccess), slog.Int("tables_total", d.TablesTotal))
	}
	text("snapshot", d.Snapshot)
	text("replaced_dir", d.ReplacedDir)
	text("last_backup_at", d.LastBackupAt)
	number("age_ms", d.AgeMS)
	text("file", d.File)
	number("checked", float64(d.Checked))
	number("bytes", float64(d.Bytes))
	number("pause_ms", d.PauseMS)
	number("duration_ms", d.DurationMS)
	text("err", d.why())
	return attrs
}

// involved names the tables of an event that is about several.
func (d *eventFields) involved() []string {
	names := d.Tables
	for _, r := range d.Results {
		names = append(names, r.Table)
	}
	return names
}

// why says what went wrong, table by table.
func (d *eventFields) why() string {
	if d.Error != "" {
		return d.Error
	}
	var all []string
	for _, r := range d.Results {
		if r.Error != "" {
			all = append(all, r.Table+": "+r.Error)
		}
	}
	for _, p := range d.Problems {
		all = append(all, strings.TrimSpace(p.Table+" "+p.Snapshot+" "+p.File+": "+p.Problem))
	}
	return strings.Join(all, "; ")
}
