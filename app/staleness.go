package app

import (
	"sync"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/vault"
)

// staleAgain is how often a backup that stays stale is announced.
const staleAgain = 24 * time.Hour

// Staleness is what [BackupStale] tells: for longer than 48 h no backup has succeeded in
// any table. Nor is one known that did where the last is dated more than 48 h in the
// future: then the clock was wrong, and AgeMS is below 0.
type Staleness struct {
	LastBackupAt *time.Time `json:"last_backup_at"` // null: none ever did
	AgeMS        float64    `json:"age_ms"`         // since then, or since the hub was made
}

// lastBackup knows when the last run began in which a table succeeded, without asking
// the backup actor or the vault: either may hang.
type lastBackup struct {
	mu  sync.Mutex
	at  *time.Time
	cut Version // which tells the order of runs, also when the clock was set back
}

// saw notes the run that an event is about.
func (b *lastBackup) saw(detail any) {
	run, ok := detail.(vault.Run)
	if !ok || run.StartedAt == nil || run.TablesSuccess == 0 || run.Status == vault.StatusFailed {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil || run.Cut > b.cut {
		at := *run.StartedAt
		b.at, b.cut = &at, run.Cut
	}
}

// last returns when it began, nil for never.
func (b *lastBackup) last() *time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

// staleness says how old the last backup is, and whether that is too old. A hub that
// never had one counts from when it was made.
func (h *Hub) staleness() (s Staleness, stale bool) {
	s.LastBackupAt = h.backups.last()
	since := h.registry.CreatedAt
	if s.LastBackupAt != nil {
		since = *s.LastBackupAt
	}
	age := h.cfg.Wall.Since(since)
	s.AgeMS = vault.Millis(age)
	return s, isOver(age, staleAfter)
}

// isOver says whether something is longer ago than the limit. What lies as far in the
// future is no better: it was noted when the clock was wrong, and nobody knows its age.
func isOver(age, limit time.Duration) bool { return age.Abs() > limit }

// isDue says the same of what is done again after a while.
func isDue(age, every time.Duration) bool { return age.Abs() >= every }

// watchStaleness announces a backup that is stale: when it turns so, then once a day
// while it lasts, over restarts too.
func (h *Hub) watchStaleness(w *watched) (changed bool) {
	s, stale := h.staleness()
	if !stale {
		changed = w.StaleAt != nil
		w.StaleAt = nil
		return changed
	}
	now := h.cfg.Wall.Now().UTC()
	if w.StaleAt != nil {
		if since := now.Sub(*w.StaleAt); since >= 0 && since < staleAgain { // below 0 the clock was set back
			return false
		}
	}
	h.publish(bus.BackupStale, s)
	w.StaleAt = &now
	return true
}
