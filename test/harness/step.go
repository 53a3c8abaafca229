package harness

import (
	"os"

	"github.com/brockdb/brock/actors"
)

// Step is a moment in the life of a hub at which [Kill] ends its process. The
// named ones below say what is durable then; [AtMessage] and [AtFile] make others.
type Step struct {
	Name string

	Actor   string // at a message to it …
	Message Message
	Kind    OpKind // … or at a file operation
	Path    string
	AtByte  int64 // of a write, which is torn; negative: any

	Nth   int  // the nth time, counted from 1
	After bool // when it was handled or done, not before
}

// AtMessage is the moment when an actor (see [Probe]) gets its nth message of the
// type, or with after has handled it. The actor is a table's name, or "" for the
// backup actor.
func AtMessage(table string, m Message, nth int, after bool) Step {
	actor := actors.BackupActor
	if table != "" {
		actor = actors.TableActor(table)
	}
	return Step{Name: actor + " " + string(m), Actor: actor, Message: m, Nth: nth, After: after}
}

// AtFile is the moment before, or with after behind, the nth file operation of the
// kind on what the pattern matches (see [FaultFS.On]).
func AtFile(kind OpKind, pattern string, nth int, after bool) Step {
	return Step{Name: string(kind) + " " + pattern, Kind: kind, Path: pattern, AtByte: -1, Nth: nth, After: after}
}

func (s Step) named(name string) Step { s.Name = name; return s }

// CommitDurable is when the table's nth commit is durable and its actor was not
// told; its callers may have been.
func CommitDurable(table string, nth int) Step {
	return AtMessage(table, Committed, nth, false).named("commit durable")
}

// Pinned is when the table has pinned a cut and nothing of it was copied.
func Pinned(table string) Step { return AtMessage(table, Flush, 1, true).named("cut pinned") }

// Copying is when a byte of a snapshot is about to be written; what comes before it is.
func Copying(offset int64) Step {
	s := AtFile(OpWrite, "vault/tables/*.frames*", 1, false).named("copying")
	s.AtByte = offset
	return s
}

// SnapshotWritten is when all of a snapshot is durable but for its name.
func SnapshotWritten() Step {
	return AtFile(OpRename, "vault/tables/*/snapshots/*", 1, false).named("snapshot written")
}

// SnapshotNamed is when a snapshot has its name, which is not yet durable, and no
// run record tells of it.
func SnapshotNamed() Step {
	return AtFile(OpRename, "vault/tables/*/snapshots/*", 1, true).named("snapshot named")
}

// RunRecorded is when the run's record has its name and nobody was told.
func RunRecorded() Step {
	return AtFile(OpRename, "vault/runs/*.json", 1, true).named("run recorded")
}

// RunEnded is when a run has ended, retention and its event included, and whoever
// asked for it was not yet answered.
func RunEnded() Step { return AtMessage("", Ran, 1, false).named("run ended") }

// RestoreStaged is when the store of a restore or compaction is built and the
// table is still the old one.
func RestoreStaged(table string) Step {
	return AtMessage(table, Exchange, 1, false).named("restore staged")
}

// RestoreSwapped is when the table is the new store and nobody was told.
func RestoreSwapped(table string) Step {
	return AtMessage(table, Exchanged, 1, false).named("restore swapped")
}

// Steps returns every named step, for a table of that name.
func Steps(table string) []Step {
	return []Step{CommitDurable(table, 1), Pinned(table), Copying(10), SnapshotWritten(), SnapshotNamed(),
		RunRecorded(), RunEnded(), RestoreStaged(table), RestoreSwapped(table)}
}

// killAt arms the step in this process.
func (h *Harness) killAt(s Step) {
	if s.Message == "" {
		rule := h.FS.On(s.Kind, s.Path).Nth(max(s.Nth, 1))
		if s.AtByte >= 0 {
			rule = rule.AtByte(s.AtByte)
		}
		rule.then(dieNow, s.After)
		return
	}
	probe := &Probe{actor: s.Actor, all: h.probes}
	probe.On(s.Message).Nth(max(s.Nth, 1)).arm(func(d actors.Delivery) {
		if s.After {
			d.Handle()
		}
		dieNow()
	})
}

// dieNow ends the process as kill -9 does: nothing runs after it.
func dieNow() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {} // until the signal is here
}
