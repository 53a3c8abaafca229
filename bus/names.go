package bus

import "regexp"

// Subjects and the stream.
const (
	SubjectEvents   = "backups"          // final events, kept in the stream
	SubjectProgress = "backups.progress" // progress, kept nowhere
	SubjectAudit    = "backups.audit"    // who asked for what, kept nowhere
	StreamName      = "BACKUPS"
)

// EventType says what happened.
type EventType string

// The event types.
const (
	BackupStarted      EventType = "backup_started"
	BackupComplete     EventType = "backup_complete" // also for a partial run: see its status
	BackupFailed       EventType = "backup_failed"
	CompactionComplete EventType = "compaction_complete"
	CompactionFailed   EventType = "compaction_failed"
	RecoveryComplete   EventType = "recovery_complete"
	RecoveryFailed     EventType = "recovery_failed"
	CorruptionDetected EventType = "corruption_detected"
	VerifyComplete     EventType = "verify_complete"
	DrillComplete      EventType = "drill_complete"
	DrillFailed        EventType = "drill_failed"
	BackupStale        EventType = "backup_stale"
	TableDegraded      EventType = "table_degraded"
)

// EventTypes lists all event types.
func EventTypes() []EventType {
	return []EventType{
		BackupStarted, BackupComplete, BackupFailed, CompactionComplete, CompactionFailed,
		RecoveryComplete, RecoveryFailed, CorruptionDetected, VerifyComplete,
		DrillComplete, DrillFailed, BackupStale, TableDegraded,
	}
}

var hubPattern = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func validateHub(hub string) error {
	if !hubPattern.MatchString(hub) {
		return configError("the hub name %q is not 1 to 64 of a-z 0-9 _ -", hub)
	}
	return nil
}

func requestSubject(hub, endpoint string) string { return "brock." + hub + "." + endpoint }
