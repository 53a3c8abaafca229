package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage/disk"
)

const (
	compactFrom   = 0.1             // fragmentation at which a table is due
	compactSoon   = time.Minute     // how long an overdue round waits after a start, so that the hub can settle
	compactYield  = 5 * time.Second // how often it looks whether a backup has ended
	compactedFile = "compacted.json"
)

// compacted is when the last scheduled round ended, also one in which nothing was due.
type compacted struct {
	At time.Time `json:"at"`
}

// startCompactor begins to compact on schedule, unless the hub is offline.
func (h *Hub) startCompactor() {
	if h.cfg.Offline || h.cfg.CompactEvery < 0 {
		return
	}
	ctx, done, err := h.begin(h.life)
	if err != nil {
		return
	}
	go func() {
		defer done()
		h.compactOnSchedule(ctx)
	}()
}

// compactOnSchedule goes on from the last round, not from the start of the process, so
// restarts neither reset nor skip it.
func (h *Hub) compactOnSchedule(ctx context.Context) {
	last := h.registry.CreatedAt
	var noted compacted
	if b, err := disk.ReadFile(h.fs(), h.path(compactedFile)); err == nil && json.Unmarshal(b, &noted) == nil {
		last = noted.At
	}
	wait := max(compactSoon, h.cfg.CompactEvery-max(h.cfg.Wall.Since(last), 0)) // below 0 the clock was set back
	for h.pause(ctx, wait) {
		h.compactDue(ctx)
		if ctx.Err() != nil {
			return // the next start goes on
		}
		if err := writeJSON(h.fs(), h.path(compactedFile), compacted{h.cfg.Wall.Now().UTC()}); err != nil {
			h.log.Warn("the time of the last compaction cannot be remembered", "err", err)
		}
		wait = h.cfg.CompactEvery
	}
}

// compactDue compacts the tables that are fragmented enough, one after another, and
// never beside a backup. Where none is, nothing is announced.
func (h *Hub) compactDue(ctx context.Context) {
	var due []string
	for _, t := range h.group.Tables() {
		// A table that cannot tell is unavailable: health says so.
		if st, err := t.Stats(); err == nil && st.Fragmentation >= compactFrom && st.DeadBytes >= deadFrom {
			due = append(due, t.Name())
		}
	}
	if len(due) == 0 || !h.untilUnpinned(ctx) {
		return
	}
	var failed *FailedError // its event is in the log
	if _, err := h.compact(ctx, actors.TriggerSchedule, due); err != nil && !errors.As(err, &failed) && !errors.Is(err, context.Canceled) {
		h.log.Error("a scheduled compaction could not be made", "tables", due, "err", err)
	}
}

// untilUnpinned waits until no backup is under way. It says whether ctx still goes on.
func (h *Hub) untilUnpinned(ctx context.Context) bool {
	for h.group.Backup().Running() != nil {
		if !h.pause(ctx, compactYield) {
			return false
		}
	}
	return ctx.Err() == nil
}

// pause waits by the hub's clock. It returns false when ctx ends first.
func (h *Hub) pause(ctx context.Context, d time.Duration) bool {
	timer := h.cfg.Wall.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
