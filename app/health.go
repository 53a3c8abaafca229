package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage/disk"
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
}

// Health looks at tables, vault and bus. It always answers.
func (h *Hub) Health(ctx context.Context) Health {
	out := Health{Conditions: []string{}, LastBackupResults: []Result{}, CompactionHistory: []Compaction{}, Tables: []TableHealth{}}
	snapshots := map[string][]Snapshot{}
	if list, err := h.vault.List(); err != nil {
		out.condition("the vault cannot be read: %v", err)
	} else {
		for _, s := range list.Snapshots {
			snapshots[s.Table] = append(snapshots[s.Table], s)
		}
		if n := len(list.Problems); n > 0 {
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
		if th.Fragmentation > fragmentedFrom {
			fragmented = append(fragmented, t.Name())
		}
		out.Tables = append(out.Tables, th)
	}
	out.HighFragmentation = len(fragmented) > 0
	if out.HighFragmentation {
		out.condition("fragmentation above 50 %%: %s", strings.Join(fragmented, ", "))
	}
	h.backupHealth(&out)
	h.proofHealth(&out)
	h.logHealth(&out)
	h.placeHealth(&out)
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
	th.RecordCount, th.FileSizeBytes, th.Fragmentation = stats.Records, stats.FileBytes, stats.Fragmentation
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

func (h *Hub) backupHealth(out *Health) {
	last, ok, err := h.vault.LastRun(vault.StatusComplete, vault.StatusPartial)
	if err != nil {
		out.condition("the run records cannot be read: %v", err)
	}
	if !ok {
		out.StaleBackup = true
		out.condition("backup never run")
		return
	}
	out.LastBackupAt, out.LastBackupResults = last.StartedAt, append(out.LastBackupResults, last.Results...)
	if last.StartedAt != nil {
		if age := h.cfg.Wall.Since(*last.StartedAt); age > staleAfter {
			out.StaleBackup = true
			out.condition("last backup %d h ago", int(age.Hours()))
		}
	}
	if newest, ok, err := h.vault.LastRun(); err == nil && ok && newest.Status != vault.StatusComplete {
		out.condition("the last backup was %s: %s", newest.Status, strings.Join(newest.TablesFailed, ", "))
	}
}

// placeHealth looks at where things lie.
func (h *Hub) placeHealth(out *Health) {
	if same, err := disk.SameDevice(h.cfg.Data, h.cfg.Vault); err == nil && same {
		out.condition("vault on the data's disk: %s; set --vault to another one", h.cfg.Vault)
	}
	if free, total, err := disk.Free(h.cfg.Data); err == nil && total > 0 {
		if used := 100 - free*100/total; used >= 90 {
			out.condition("disk %d %% full", used)
		}
	}
	if h.bus != nil {
		if st := h.bus.Status(); !st.Connected {
			out.condition("NATS is away; %d events wait", st.Pending)
		}
	}
}

func (h *Hub) compactionHealth(out *Health) {
	h.compactMu.Lock()
	defer h.compactMu.Unlock()
	out.CompactionHistory = append(out.CompactionHistory, h.history...)
	if len(h.history) > 0 {
		at := h.history[0].StartedAt
		out.LastCompactionAt = &at
	}
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
