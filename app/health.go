package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage/vault"
)

// HealthStatus says in one word whether the data is safe.
type HealthStatus string

// The health statuses.
const (
	HealthOK        HealthStatus = "ok"
	HealthWarning   HealthStatus = "warning"
	HealthUnhealthy HealthStatus = "unhealthy"
)

// TableStatus says in one word how a table is.
type TableStatus string

// The table statuses.
const (
	Serving     TableStatus = "ok"
	Unavailable TableStatus = "unavailable" // does not serve; [TableHealth.Error] says why
	Degraded    TableStatus = "degraded"    // serves, but lacks what it had; [TableHealth.Error] says why
	Restoring   TableStatus = "restoring"   // is replaced soon; serves meanwhile, unless [TableHealth.Error] says why not
)

const (
	staleAfter     = 48 * time.Hour
	fragmentedFrom = 0.5
	// deadFrom is how many dead bytes are worth a word, or a compaction: of a table of
	// one record, half is dead once it was overwritten.
	deadFrom = 64 << 10
)

// Health answers whether the data is safe.
type Health struct {
	Status            HealthStatus  `json:"health_status"` // ok, warning or unhealthy
	Conditions        []string      `json:"conditions"`    // what is not as it should be, in words
	StaleBackup       bool          `json:"stale_backup"`  // none for 48 h, or never
	HighFragmentation bool          `json:"high_fragmentation"`
	LastBackupAt      *time.Time    `json:"last_backup_at"` // of the last run in which a table succeeded
	LastBackupResults []Result      `json:"last_backup_results"`
	LastCompactionAt  *time.Time    `json:"last_compaction_at"`
	CompactionHistory []Compaction  `json:"compaction_history"` // newest first
	Tables            []TableHealth `json:"tables"`
	ChangeLog         *LogHealth    `json:"change_log,omitempty"` // nil: the hub keeps none

	vaultKnown bool          // what is said of the vault was seen, if not now then before
	vaultHangs time.Duration // since when it does not answer; 0: it does
}

// TableHealth is one table's part of [Health].
type TableHealth struct {
	Table          string      `json:"table"`
	Status         TableStatus `json:"status"`
	Error          string      `json:"error,omitempty"`
	RecordCount    uint64      `json:"record_count"`
	FileSizeBytes  int64       `json:"file_size_bytes"`
	Fragmentation  float64     `json:"fragmentation_ratio"`
	LastSnapshotAt *time.Time  `json:"last_snapshot_at"`
	LastProvenAt   *time.Time  `json:"last_proven_at"`

	dead uint64 // bytes
}

// LogHealth is what of the commits the vault has not got yet: what would be lost with the
// data's disk.
type LogHealth struct {
	WaitingBytes int64   `json:"waiting_bytes"` // of the change log; 0: every commit is in the vault
	BehindMS     float64 `json:"behind_ms"`     // how long the oldest of them has waited
}

// Health looks at tables, vault and bus. It always answers, within a second also where
// the vault's disk hangs: then a condition says so.
func (h *Hub) Health(ctx context.Context) Health {
	out := Health{Conditions: []string{}, LastBackupResults: []Result{}, CompactionHistory: []Compaction{}, Tables: []TableHealth{}}
	snapshots := map[string][]Snapshot{}
	look := h.looks.get()
	v := look.seen
	out.vaultKnown, out.vaultHangs = look.known && v.listErr == nil, look.hangs
	if look.hangs > 0 {
		out.condition("the vault has not answered for %d s; what is said of backups is what it said last", int(math.Ceil(look.hangs.Seconds())))
	}
	if v.listErr != nil {
		out.condition("the vault cannot be read: %v", v.listErr)
	} else {
		for _, s := range v.list.Snapshots {
			snapshots[s.Table] = append(snapshots[s.Table], s)
		}
		if n := len(v.list.Problems); n > 0 {
			out.condition("%d damaged snapshots in the vault; run brock verify", n)
		}
	}
	down := false
	var fragmented []string
	for _, t := range h.group.Tables() {
		th := h.tableHealth(t, snapshots[t.Name()])
		switch {
		case th.Status == Degraded:
			out.condition("table degraded: %s: %s", t.Name(), th.Error)
		case th.Error != "":
			down = true
			out.condition("table %s is unavailable: %s", t.Name(), th.Error)
		}
		if th.Fragmentation > fragmentedFrom && th.dead >= deadFrom {
			fragmented = append(fragmented, t.Name())
		}
		out.Tables = append(out.Tables, th)
	}
	var rotten []string
	for _, t := range out.Tables {
		if s := snapshots[t.Table]; len(s) > 0 && s[0].Rotten {
			rotten = append(rotten, t.Table)
		}
	}
	if len(rotten) > 0 {
		out.condition("the newest snapshot does not restore: %s; run brock backup", strings.Join(rotten, ", "))
	}
	out.HighFragmentation = len(fragmented) > 0
	if out.HighFragmentation {
		out.condition("fragmentation above 50 %%: %s", strings.Join(fragmented, ", "))
	}
	h.backupHealth(&out, v)
	h.runHealth(&out)
	if look.known {
		h.snapshotHealth(&out)
	}
	h.proofHealth(&out)
	h.logHealth(&out, v)
	h.placeHealth(&out, v)
	down = h.spaceHealth(&out) || down
	h.clockHealth(&out)
	h.alarmHealth(&out)
	h.compactionHealth(&out)
	switch {
	case down || out.StaleBackup && out.HighFragmentation:
		out.Status = HealthUnhealthy
	case len(out.Conditions) > 0:
		out.Status = HealthWarning
	default:
		out.Status = HealthOK
	}
	return out
}

func (h *Health) condition(format string, a ...any) {
	h.Conditions = append(h.Conditions, fmt.Sprintf(format, a...))
}

func (h *Hub) tableHealth(t *actors.TableRef, snapshots []Snapshot) TableHealth {
	th := TableHealth{Table: t.Name(), Status: Serving}
	st := t.Status()
	stats, err := t.Stats()
	if st.State == actors.Restoring {
		th.Status = Restoring
	} else if err != nil {
		th.Status = Unavailable
	}
	if err != nil {
		th.Error = h.whyDown(t.Name(), err)
	} else if d := h.healer.degraded(t.Name()); d != nil && th.Status == Serving {
		th.Status, th.Error = Degraded, d.Reason+"; the damaged store is kept in "+d.ReplacedDir
	}
	th.RecordCount, th.FileSizeBytes, th.Fragmentation, th.dead = stats.Records, stats.FileBytes, stats.Fragmentation, stats.DeadBytes
	for _, s := range snapshots { // newest first
		if th.LastSnapshotAt == nil {
			th.LastSnapshotAt = s.CutAt
		}
		if s.ProvenAt != nil && (th.LastProvenAt == nil || s.ProvenAt.After(*th.LastProvenAt)) {
			th.LastProvenAt = s.ProvenAt
		}
	}
	return th
}

// whyDown says why a table does not serve, and what becomes of it.
func (h *Hub) whyDown(table string, err error) string {
	text := err.Error()
	var down *UnavailableError
	if errors.As(err, &down) {
		text = strings.TrimPrefix(down.Err.Error(), "table "+table+": ")
	}
	if next := h.healer.outlook(table); next != "" && errors.Is(err, ErrQuarantined) {
		text += "; " + next
	}
	return text
}

func (h *Hub) backupHealth(out *Health, v vaultLook) {
	if v.runErr != nil && v.listErr == nil { // else it is told already
		out.condition("the run records cannot be read: %v", v.runErr)
	}
	out.LastBackupAt = h.backups.last() // also where the vault cannot say
	if v.hasGood {
		out.LastBackupResults = append(out.LastBackupResults, v.good.Results...)
		if out.LastBackupAt == nil {
			out.LastBackupAt = v.good.StartedAt
		}
	}
	if out.LastBackupAt == nil {
		out.StaleBackup = true
		out.condition("backup never run")
		return
	}
	if age := h.cfg.Wall.Since(*out.LastBackupAt); isOver(age, staleAfter) {
		out.StaleBackup = true
		if age > 0 {
			out.condition("last backup %d h ago", int(age.Hours()))
		} else {
			out.condition("the last backup is dated %s, which is still to come: a clock was wrong; back up", out.LastBackupAt.Format(time.RFC3339))
		}
	}
	if v.newest.ID != "" && v.newest.Status != vault.StatusComplete {
		out.condition("the last backup was %s: %s", v.newest.Status, strings.Join(v.newest.TablesFailed, ", "))
	}
}

func (h *Hub) compactionHealth(out *Health) {
	h.historyMu.Lock()
	defer h.historyMu.Unlock()
	out.CompactionHistory = append(out.CompactionHistory, h.history...)
	if len(h.history) > 0 {
		at := h.history[0].StartedAt
		out.LastCompactionAt = &at
	}
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
