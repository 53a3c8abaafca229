package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/vault"
)

// maxText bounds an alarm's line for people, in bytes.
const maxText = 1000

// alarmStory is what an alarm's line can tell, of all the events' fields.
type alarmStory struct {
	Run     string       `json:"run"`
	Status  vault.Status `json:"status"`
	Table   string       `json:"table"`
	Results []struct {
		Table string `json:"table"`
		Error string `json:"error"`
	} `json:"results"`
	Problems      []Problem  `json:"problems"`
	TablesTotal   int        `json:"tables_total"`
	TablesSuccess int        `json:"tables_success"`
	BackupUsed    string     `json:"backup_used"`
	Trigger       string     `json:"trigger"`
	At            *time.Time `json:"at"`
	RecordCount   uint64     `json:"record_count"`
	LaterCommits  uint64     `json:"later_commits"`
	Missing       string     `json:"missing"`
	LastBackupAt  *time.Time `json:"last_backup_at"`
	AgeMS         float64    `json:"age_ms"`
	File          string     `json:"file"`
	Error         string     `json:"error"`
	Reason        string     `json:"reason"`
}

// isAlarming says whether people must hear of it: of failures and of recoveries, not of
// success.
func (s alarmStory) isAlarming(typ bus.EventType) bool {
	switch typ {
	case bus.BackupFailed, bus.CompactionFailed, bus.RecoveryComplete, bus.RecoveryFailed, bus.CorruptionDetected,
		bus.DrillFailed, bus.BackupStale, bus.TableDegraded:
		return true
	case bus.BackupComplete:
		return s.Status != StatusComplete
	case bus.VerifyComplete:
		return s.Status != StatusOK
	}
	return false
}

// text is the alarm in one line.
func (s alarmStory) text(e bus.Event) string {
	text := s.what(e.Type)
	for _, more := range []string{s.failures(), s.cause(), s.Missing, s.Reason} {
		if more != "" && !strings.Contains(text, more) {
			text += ": " + more
		}
	}
	return oneLine("hub " + e.Hub + ": " + text)
}

// cause is the error without what the line says anyway. That a person should restore a
// damaged table is not said while the hub is about to do it.
func (s alarmStory) cause() string {
	cause := strings.TrimPrefix(s.Error, "backup failed: ")
	cause = strings.TrimPrefix(cause, "table "+s.Table+" is damaged: ")
	if s.File != "" {
		cause = strings.TrimPrefix(cause, s.File+": ")
	}
	return strings.TrimSuffix(cause, "; restore the table")
}

func (s alarmStory) what(typ bus.EventType) string {
	switch typ {
	case bus.BackupFailed:
		return "backup " + s.Run + " failed"
	case bus.BackupComplete:
		return fmt.Sprintf("backup %s is partial, %d of %d tables", s.Run, s.TablesSuccess, s.TablesTotal)
	case bus.CompactionFailed:
		return "compaction " + string(s.Status)
	case bus.RecoveryComplete:
		text := fmt.Sprintf("table %s was restored", s.Table)
		if s.Trigger == "auto" {
			text = fmt.Sprintf("table %s was damaged and has healed itself", s.Table)
		}
		if s.At != nil {
			text += " to its state of " + s.At.UTC().Format(time.RFC3339)
		}
		if s.BackupUsed != "" {
			text += " from " + s.BackupUsed
		}
		text += ", " + counted(s.RecordCount, "record")
		if s.LaterCommits > 0 {
			text += "; " + counted(s.LaterCommits, "later commit") + " left out"
		}
		return text
	case bus.RecoveryFailed:
		return fmt.Sprintf("table %s could not be restored", s.Table)
	case bus.CorruptionDetected:
		text := fmt.Sprintf("table %s is damaged", s.Table)
		if s.File != "" {
			text += ", file " + s.File
		}
		return text
	case bus.VerifyComplete:
		return "verify found " + counted(uint64(len(s.Problems)), "problem") + " in the vault"
	case bus.DrillFailed:
		return "drill failed: a snapshot could not be restored"
	case bus.BackupStale:
		if s.LastBackupAt == nil {
			return fmt.Sprintf("backup never run, and the hub is %d h old", int(s.AgeMS/3.6e6))
		}
		return fmt.Sprintf("last backup %d h ago, at %s", int(s.AgeMS/3.6e6), s.LastBackupAt.UTC().Format(time.RFC3339))
	case bus.TableDegraded:
		return fmt.Sprintf("table %s is degraded", s.Table)
	}
	return string(typ)
}

// failures tells what failed, the first few in words.
func (s alarmStory) failures() string {
	var out []string
	for _, r := range s.Results {
		if r.Error != "" {
			out = append(out, r.Table+": "+strings.TrimPrefix(r.Error, "table "+r.Table+": "))
		}
	}
	for _, p := range s.Problems {
		out = append(out, strings.TrimSpace(p.Table+" "+p.Snapshot)+": "+p.Problem)
	}
	const shown = 3
	if n := len(out) - shown; n > 0 {
		out = append(out[:shown], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, "; ")
}

func counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// oneLine makes a bounded line of a text.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
