package app

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

const (
	unprovenAfter = 72 * time.Hour   // since the last drill of a table that has snapshots
	behindAfter   = 10 * time.Second // that a commit has waited for the change log
)

// proofHealth tells of tables whose backups nobody has restored for long.
func (h *Hub) proofHealth(out *Health) {
	var names []string
	var longest time.Duration
	for _, t := range out.Tables {
		if t.LastSnapshotAt == nil {
			continue
		}
		since := h.registry.CreatedAt
		if t.LastProvenAt != nil {
			since = *t.LastProvenAt
		}
		if age := h.cfg.Wall.Since(since); isOver(age, unprovenAfter) {
			names, longest = append(names, t.Table), max(longest, age.Abs())
		}
	}
	if len(names) > 0 {
		out.condition("unproven for %d days: %s; run brock drill", int(longest.Hours()/24), strings.Join(names, ", "))
	}
}

// logHealth tells how far the change log is behind, and of a break in it.
func (h *Hub) logHealth(out *Health, v vaultLook) {
	if h.shipper == nil {
		return
	}
	st := h.shipper.Status()
	age := time.Duration(0)
	if st.Waiting > 0 {
		age = max(0, h.cfg.Wall.Since(st.Since))
	}
	out.ChangeLog = &LogHealth{st.Waiting, float64(age.Milliseconds())}
	if age > behindAfter {
		why := ""
		if st.Err != nil {
			why = ": " + st.Err.Error()
		}
		out.condition("change log %d s behind%s", int(age.Seconds()), why)
	}
	var open logBreak
	if b, err := disk.ReadFile(h.fs(), h.path(breaksFile)); err == nil && json.Unmarshal(b, &open) == nil {
		out.condition("change log has a break since %s, until the next backup: %s", open.At.Format(time.RFC3339), strings.Join(open.Tables, ", "))
	}
	if v.log > 0 {
		out.condition("change log is damaged; run brock verify")
	}
}
