package harness

import (
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage/disk"
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
	Final   bool  // only of files that are no temporary ones
	Behind  *Step // only of files that this step, of files too, came to before

	Nth   int           // the nth time, counted from 1
	After bool          // when it was handled or done, not before
	Later time.Duration // so much later, whatever is under way then
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

// KillAt arms the step in this process, which it ends as kill -9 does, last being called
// right before. [Kill] does it by itself; this is for processes that a test starts in
// another way. It may be called before the hub is started.
func (h *Harness) KillAt(s Step, last func()) {
	die := s.death(last)
	if s.Message == "" {
		h.fileRule(s).then(die, s.After)
		return
	}
	probe := &Probe{actor: s.Actor, all: h.probes}
	probe.On(s.Message).Nth(max(s.Nth, 1)).arm(func(d actors.Delivery) {
		if s.After || s.Later > 0 {
			d.Handle()
		}
		die()
	})
}

// death is what happens at the step.
func (s Step) death(last func()) func() {
	die := sync.OnceFunc(func() { last(); dieNow() })
	if s.Later > 0 {
		return func() { time.AfterFunc(s.Later, die) }
	}
	return die
}

// fileRule is for the operations that the step is about.
func (h *Harness) fileRule(s Step) *FileRule {
	rule := h.FS.On(s.Kind, s.Path).Nth(max(s.Nth, 1))
	if s.AtByte >= 0 {
		rule = rule.AtByte(s.AtByte)
	}
	came := func(string) bool { return true }
	if s.Behind != nil {
		came = h.remember(*s.Behind)
	}
	rule.skip = func(op FileOp) bool {
		temporary := strings.HasPrefix(path.Base(op.Path), disk.TempPrefix)
		return s.Final && temporary || !came(op.Path)
	}
	return rule
}

// remember says from now on which files the step came to.
func (h *Harness) remember(s Step) func(file string) bool {
	var mu sync.Mutex
	files := map[string]bool{}
	rule := h.FS.On(s.Kind, s.Path)
	rule.skip = func(op FileOp) bool {
		mu.Lock()
		defer mu.Unlock()
		files[op.Path] = true
		return true
	}
	rule.then(func() {}, false)
	return func(file string) bool {
		mu.Lock()
		defer mu.Unlock()
		return files[file]
	}
}

// dieNow ends the process as kill -9 does: nothing runs after it.
func dieNow() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {} // until the signal is here
}
