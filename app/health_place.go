package app

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/brockdb/brock/storage/vault"
)

const (
	fullFrom  = 90 // percent of a disk
	hungAfter = 2 * time.Hour
	lateAfter = 15 * time.Minute
	// aheadAfter is by how much the hub's clock may be ahead: kills set it ahead by two
	// seconds at most.
	aheadAfter = time.Minute
)

// vaultLook is what health must know of the vault and its disk, which may hang.
type vaultLook struct {
	list    Listing
	listErr error
	good    Run // the last in which a table succeeded
	hasGood bool
	runErr  error
	newest  Run
	log     int // problems of the change log
	same    bool
	used    int // percent of the vault's disk
}

// lookAtVault reads what health tells of the vault.
func (h *Hub) lookAtVault() (l vaultLook) {
	l.list, l.listErr = h.vault.List()
	var err error
	l.good, l.hasGood, l.runErr = h.vault.LastRun(vault.StatusComplete, vault.StatusPartial)
	l.newest, _, err = h.vault.LastRun()
	l.runErr = cmp.Or(l.runErr, err) // one reason is enough
	l.log = len(h.vault.Log().Problems())
	same, err := h.cfg.Hooks.SameDevice(h.cfg.Data, h.cfg.Vault)
	l.same = err == nil && same
	l.used = h.used(h.cfg.Vault)
	return l
}

// used returns how full the directory's disk is, in percent; 0 where that is not known.
func (h *Hub) used(dir string) int {
	free, total, err := h.cfg.Hooks.Free(dir)
	if err != nil || total == 0 {
		return 0
	}
	return int(100 - free*100/total)
}

// placeHealth looks at where things lie.
func (h *Hub) placeHealth(out *Health, v vaultLook) {
	data := h.used(h.cfg.Data)
	if v.same {
		out.condition("vault on the data's disk: %s; set --vault to another one", h.cfg.Vault)
		if data >= fullFrom {
			out.condition("disk %d %% full", data)
		}
	} else {
		if data >= fullFrom {
			out.condition("the data's disk %d %% full", data)
		}
		if v.used >= fullFrom {
			out.condition("the vault's disk %d %% full", v.used)
		}
	}
	if h.bus != nil {
		if st := h.bus.Status(); !st.Connected {
			out.condition("NATS is away; %d events wait", st.Pending)
		}
	}
}

// spaceHealth tells of tables whose disk is too full for writes.
func (h *Hub) spaceHealth(out *Health) (refused bool) {
	var names []string
	var why string
	for _, t := range h.group.Tables() {
		if err := t.Space(); errors.Is(err, ErrNoSpace) {
			names, why = append(names, t.Name()), strings.TrimPrefix(err.Error(), "table "+t.Name()+": ")
		}
	}
	if len(names) > 0 {
		out.condition("writes are refused, %s: %s", why, strings.Join(names, ", "))
	}
	return len(names) > 0
}

// clockHealth tells of a clock of the hub's that is ahead of the machine's: the machine's
// was once wrong, and versions do not go back.
func (h *Hub) clockHealth(out *Health) {
	if ahead := h.clock.Last().Time().Sub(h.cfg.Wall.Now()); ahead > aheadAfter {
		out.condition("the hub's clock is ahead of the machine's, which was set back, by %s: until that is made up for, versions and expiry go by %s",
			ahead.Round(time.Second), h.clock.Last().Time().UTC().Format(time.RFC3339))
	}
}

// runHealth tells of a run that does not end and of one that does not begin.
func (h *Hub) runHealth(out *Health) {
	ref, now := h.group.Backup(), h.cfg.Wall.Now()
	if tables, since := ref.UnderWay(); len(tables) > 0 {
		if age := now.Sub(since); age > hungAfter {
			out.condition("a backup has been under way for %d h: %s", int(age.Hours()), strings.Join(tables, ", "))
		}
		return
	}
	if at := ref.NextScheduled(); !at.IsZero() && now.Sub(at) > lateAfter {
		out.condition("the scheduled backup is %d min late; the backup actor does not answer", int(now.Sub(at).Minutes()))
	}
}

// snapshotHealth tells of tables that recent backups left out.
func (h *Hub) snapshotHealth(out *Health) {
	if out.StaleBackup {
		return // all of them
	}
	var names []string
	for _, t := range out.Tables {
		since := h.registry.since(t.Table)
		if t.LastSnapshotAt != nil {
			since = *t.LastSnapshotAt
		}
		if h.cfg.Wall.Since(since) > staleAfter {
			names = append(names, t.Table)
		}
	}
	if len(names) > 0 {
		out.condition("no snapshot for %d h: %s", int(staleAfter.Hours()), strings.Join(names, ", "))
	}
}
