package app

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

const (
	keeperSettle = 10 * time.Second // after a backup, so that a drill does not race the next one
	keeperRound  = 10 * time.Minute
)

// startKeeper begins to keep, unless the hub is offline.
func (h *Hub) startKeeper() {
	if h.cfg.Offline {
		return
	}
	if b, err := disk.ReadFile(h.fs(), h.path(scrubsFile)); err == nil && json.Unmarshal(b, &h.scrubs) != nil {
		h.scrubs = scrubbed{} // then the tables are scrubbed a little early
	}
	h.closeBreak()
	ctx, done, err := h.begin(h.life)
	if err != nil {
		return
	}
	go func() {
		defer done()
		h.keep(ctx)
	}()
}

// keep drills and scrubs, one after the other, when nothing else is under way, until
// the hub closes. It is woken after a backup.
func (h *Hub) keep(ctx context.Context) {
	timer := h.cfg.Wall.NewTimer(keeperRound)
	defer timer.Stop()
	tried := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.backedUp:
			timer.Reset(keeperSettle)
			continue
		case <-timer.Chan():
		}
		if h.group.Backup().Running() == nil {
			h.drillDue(ctx, tried)
			h.scrubDue(ctx)
		}
		timer.Reset(keeperRound)
	}
}

// drillDue drills the tables whose last proof is older than the pace allows: the newest
// snapshot of each, also where that was proven then, for bytes rot. One that does not
// restore is tried again, and told of, at the same pace: tried knows when, by path.
func (h *Hub) drillDue(ctx context.Context, tried map[string]time.Time) {
	if h.cfg.DrillEvery < 0 {
		return
	}
	list, err := h.vault.List(h.Tables()...)
	if err != nil {
		h.log.Warn("the keeper cannot list the vault", "err", err)
		return
	}
	// A daily backup is proven each day, though not to the second.
	old := func(at time.Time) bool { return isDue(h.cfg.Wall.Since(at), h.cfg.DrillEvery*9/10) }
	newest, proven := map[string]Snapshot{}, map[string]time.Time{}
	for _, s := range list.Snapshots { // newest first
		if _, ok := newest[s.Table]; !ok {
			newest[s.Table] = s
		}
		if s.ProvenAt != nil && s.ProvenAt.After(proven[s.Table]) {
			proven[s.Table] = *s.ProvenAt
		}
	}
	maps.DeleteFunc(tried, func(_ string, at time.Time) bool { return old(at) })
	var due []string
	for table, s := range newest {
		if _, just := tried[s.Path]; !just && old(proven[table]) {
			due = append(due, table)
			tried[s.Path] = h.cfg.Wall.Now()
		}
	}
	if len(due) == 0 {
		return
	}
	slices.Sort(due)
	var failed *FailedError // its event is in the log
	if _, err := h.Drill(ctx, due...); err != nil && !errors.As(err, &failed) {
		clear(tried) // with the next round again
		if !errors.Is(err, context.Canceled) {
			h.log.Error("a drill could not be made", "tables", due, "err", err)
		}
	}
}

// scrubDue scrubs the tables that were not scrubbed for long enough.
func (h *Hub) scrubDue(ctx context.Context) {
	if h.cfg.ScrubEvery < 0 {
		return
	}
	for _, table := range h.Tables() {
		if ctx.Err() != nil || !isDue(h.cfg.Wall.Since(h.lastScrub(table)), h.cfg.ScrubEvery) {
			continue
		}
		if _, err := h.Scrub(ctx, table); err != nil {
			if !errors.Is(err, context.Canceled) && !errors.Is(err, ErrUnavailable) { // health says why it is down
				h.log.Error("a scrub found something", "table", table, "err", err)
			}
			continue
		}
		h.noteScrub(table)
	}
}

// lastScrub returns when the table was scrubbed last, or when the hub was made.
func (h *Hub) lastScrub(table string) time.Time {
	if at, ok := h.scrubs.Tables[table]; ok {
		return at
	}
	return h.registry.CreatedAt
}

func (h *Hub) noteScrub(table string) {
	if h.scrubs.Tables == nil {
		h.scrubs.Tables = map[string]time.Time{}
	}
	h.scrubs.Tables[table] = h.cfg.Wall.Now().UTC()
	if err := writeJSON(h.fs(), h.path(scrubsFile), h.scrubs); err != nil {
		h.log.Warn("the time of a scrub cannot be remembered", "err", err)
	}
}
