package app

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// healsFile is what the healer must know after a restart.
const healsFile = "heals.json"

type healNotes struct {
	Tables map[string]*tableNotes `json:"tables"`
}

// tableNotes are a table's. A restore by a person clears them.
type tableNotes struct {
	// Damaged is the store that is quarantined; it is not opened again.
	Damaged *damageNote `json:"damaged,omitempty"`
	// Healed are the times of the newest recoveries.
	Healed []time.Time `json:"healed,omitempty"`
	// Stopped says that there were too many.
	Stopped bool `json:"stopped,omitempty"`
	// Swapping is a recovery that is about to be swapped in, and not yet announced.
	Swapping *RestoredTable `json:"swapping,omitempty"`
	Degraded *Degradation   `json:"degraded,omitempty"`
}

type damageNote struct {
	Store   string    `json:"store"`
	File    string    `json:"file"`
	Offset  int64     `json:"offset"`
	Problem string    `json:"problem"`
	At      time.Time `json:"at"`
	// TailLost says that the store only lacks its last commits.
	TailLost bool            `json:"tail_lost,omitempty"`
	Known    storage.Ledger  `json:"known"` // the account of its last commit
	Seen     storage.Version `json:"seen"`  // the last version that was acknowledged
}

func (x *healer) noteDamage(q actors.Quarantine) *damageNote {
	n := &damageNote{Store: q.Store, Problem: q.Err.Error(), At: x.h.cfg.Wall.Now().UTC(), Known: q.Known, Seen: q.Seen}
	n.TailLost = errors.Is(q.Err, storage.ErrTailLost)
	var found *storage.DamageError
	if errors.As(q.Err, &found) {
		n.File, n.Offset, n.Problem = found.File, found.Offset, found.Problem
		if found.Err != nil && !n.TailLost {
			n.Problem += ": " + found.Err.Error()
		}
	}
	return n
}

// quarantine is the note as the actors know it.
func (n *damageNote) quarantine(table string) *actors.Quarantine {
	err := &storage.DamageError{Table: table, File: n.File, Offset: n.Offset, Problem: n.Problem}
	if n.TailLost {
		err.Err = storage.ErrTailLost
	}
	return &actors.Quarantine{Store: n.Store, Err: err, Known: n.Known, Seen: n.Seen}
}

// Degradation is what [TableDegraded] tells: a table that serves, and lacks what it had.
type Degradation struct {
	Table       string     `json:"table"`
	Reason      string     `json:"reason"`
	ReplacedDir string     `json:"replaced_dir"` // the damaged store, kept
	Since       *time.Time `json:"since_at"`
}

// load reads the notes. A hub that cannot read them quarantines nothing for them:
// what is damaged is found again.
func (x *healer) load() {
	b, err := disk.ReadFile(x.h.fs(), x.h.path(healsFile))
	if err == nil {
		err = json.Unmarshal(b, &x.notes)
	}
	if err != nil && !isMissing(err) {
		x.h.log.Error("what was healed before cannot be read and is forgotten", "err", err)
		x.notes = healNotes{}
	}
}

// earlier is the quarantine that an earlier start has put a table into, nil for none.
func (x *healer) earlier(table string) *actors.Quarantine {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.notes.Tables[table]
	if n == nil || n.Damaged == nil {
		return nil
	}
	return n.Damaged.quarantine(table)
}

// note changes a table's notes and makes that durable. The caller holds the lock.
func (x *healer) note(table string, change func(*tableNotes)) error {
	if x.notes.Tables == nil {
		x.notes.Tables = map[string]*tableNotes{}
	}
	n := x.notes.Tables[table]
	if n == nil {
		n = &tableNotes{}
		x.notes.Tables[table] = n
	}
	change(n)
	err := writeJSON(x.h.fs(), x.h.path(healsFile), x.notes)
	if err != nil {
		x.h.log.Error("what becomes of a damaged table cannot be written down", "table", table, "err", err)
	}
	return err
}

// swapping notes, before the swap, a recovery that counts from here on.
func (x *healer) swapping(r RestoredTable) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.note(r.Table, func(n *tableNotes) {
		n.Swapping = &r
		n.Healed = append(n.Healed[max(0, len(n.Healed)+1-healTimes):], x.h.cfg.Wall.Now().UTC())
	})
}

// swapped notes that the table serves again, and that this was announced.
func (x *healer) swapped(table string, degraded *Degradation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.note(table, func(n *tableNotes) {
		if n.Damaged, n.Swapping = nil, nil; degraded != nil {
			n.Degraded = degraded
		}
	})
}

// aborted takes back what [healer.swapping] noted, unless it is not known whether the
// table was swapped, because a disk or an actor failed just then.
func (x *healer) aborted(table string, err error) {
	if errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrUnavailable) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := x.notes.Tables[table]; n == nil || n.Swapping == nil {
		return
	}
	_ = x.note(table, func(n *tableNotes) { n.Swapping, n.Healed = nil, n.Healed[:max(0, len(n.Healed)-1)] })
}

// announceSwapped announces recoveries that a hub was killed behind.
func (x *healer) announceSwapped() {
	x.mu.Lock()
	var behind []RestoredTable
	for name, n := range x.notes.Tables {
		ref, err := x.h.group.Table(name)
		if err == nil && n.Swapping != nil && ref.Status().State == actors.Serving {
			behind = append(behind, *n.Swapping)
		}
	}
	x.mu.Unlock()
	for _, r := range behind {
		if r.Version == 0 {
			x.announceEmpty(r.Table, r.ReplacedDir, r.Missing)
			continue
		}
		x.h.announceRestore(r, triggerAuto)
		x.swapped(r.Table, nil)
	}
}

// stopped says whether a table was healed so often that a person must look, and keeps
// that.
func (x *healer) stopped(table string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.notes.Tables[table]
	if n == nil {
		return false
	}
	if n.Stopped {
		return true
	}
	if len(n.Healed) < healTimes || x.h.cfg.Wall.Since(n.Healed[len(n.Healed)-healTimes]) > healWithin {
		return false
	}
	_ = x.note(table, func(n *tableNotes) { n.Stopped = true })
	return true
}

// restored is told of a table that a person has restored: all begins anew.
func (x *healer) restored(table string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.sick, table)
	if _, is := x.notes.Tables[table]; is {
		_ = x.note(table, func(n *tableNotes) { *n = tableNotes{} })
	}
}

// backedUp is told of every run: one that somebody asked for says that he knows of a
// table that started empty.
func (x *healer) backedUp(run Run) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range run.TablesBackedUp {
		if n := x.notes.Tables[name]; n != nil && n.Degraded != nil && run.Trigger != actors.TriggerSchedule {
			_ = x.note(name, func(n *tableNotes) { n.Degraded = nil })
		}
	}
}

// degraded says why a table that serves is not what it was, nil where it is.
func (x *healer) degraded(table string) *Degradation {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := x.notes.Tables[table]; n != nil {
		return n.Degraded
	}
	return nil
}

// announceEmpty tells that a table started empty.
func (x *healer) announceEmpty(table, kept, reason string) {
	at := x.h.cfg.Wall.Now().UTC()
	d := Degradation{Table: table, Reason: reason, ReplacedDir: kept, Since: &at}
	x.swapped(table, &d)
	x.h.publish(bus.TableDegraded, d)
}
