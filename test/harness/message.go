package harness

import "slices"

// Message names a type of message that an actor gets.
type Message string

// What a table actor gets: from its callers
const (
	Apply    Message = "apply"    // a batch to commit
	Flush    Message = "flush"    // pin the cut
	Excuse   Message = "excuse"   // no pin is needed for the cut
	Exchange Message = "exchange" // go on with another store: a restore or compaction
	Stop     Message = "stop"     // commit what waits, then end
	// and from itself, what its work and its timers bring
	Tick       Message = "tick" // the batches that waited are gathered
	Committed  Message = "committed"
	Opened     Message = "opened"
	Reopen     Message = "reopen" // time to try again
	Due        Message = "due"    // time to look for expired records
	FoundDue   Message = "foundDue"
	Exchanged  Message = "exchanged"
	Quarantine Message = "quarantine" // damage was found in the store
)

// What the backup actor gets.
const (
	Backup    Message = "backup"   // a trigger
	Cut       Message = "cut"      // all triggers that waited are gathered
	Ran       Message = "ran"      // the outcome of a run
	Scheduled Message = "schedule" // a run may be due
	Quit      Message = "quit"     // end after the run under way, which is aborted
)

// What every actor gets in its life. They can be watched and made to panic, but
// neither dropped nor repeated.
const (
	Started    Message = "started"
	Restarting Message = "restarting"
	Stopping   Message = "stopping"
	Ended      Message = "stopped"
)

// TableMessages returns all messages that a table actor with a sound store gets from
// callers and itself: all but [Quarantine].
func TableMessages() []Message {
	return []Message{Apply, Flush, Excuse, Exchange, Stop, Tick, Committed, Opened, Reopen, Due, FoundDue, Exchanged}
}

// BackupMessages returns all messages that the backup actor gets from callers and itself.
func BackupMessages() []Message { return []Message{Backup, Cut, Ran, Scheduled, Quit} }

func (m Message) ofLife() bool {
	return slices.Contains([]Message{Started, Restarting, Stopping, Ended}, m)
}
