package app

import (
	"context"
	"fmt"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/vault"
)

// Compaction is one run of compaction.
type Compaction struct {
	Status     Status           `json:"status"` // complete, partial or failed
	Trigger    string           `json:"trigger"`
	StartedAt  time.Time        `json:"started_at"`
	DurationMS float64          `json:"duration_ms"`
	Results    []CompactedTable `json:"results"`
}

// CompactedTable is the outcome for one table.
type CompactedTable struct {
	Table               string  `json:"table"`
	Status              Status  `json:"status"` // ok or error
	Records             uint64  `json:"records"`
	BytesBefore         int64   `json:"bytes_before"` // on the disk
	BytesAfter          int64   `json:"bytes_after"`
	FragmentationBefore float64 `json:"fragmentation_before"`
	FragmentationAfter  float64 `json:"fragmentation_after"`
	DurationMS          float64 `json:"duration_ms"`
	Error               string  `json:"error"`

	cause error
}

// historyLength is how many compactions are remembered.
const historyLength = 20

// Compact rewrites the named tables, all where none is named, one after another,
// so that the bytes of deleted and overwritten records are free again. The tables
// serve meanwhile. What fails is tried once more. What did not succeed comes with a
// [*FailedError].
func (h *Hub) Compact(ctx context.Context, tables ...string) (Compaction, error) {
	return h.compact(ctx, actors.TriggerAPI, tables)
}

func (h *Hub) compact(ctx context.Context, trigger string, tables []string) (Compaction, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return Compaction{}, err
	}
	defer done()
	for _, name := range tables {
		if _, err := h.group.Table(name); err != nil {
			return Compaction{}, err
		}
	}
	if len(tables) == 0 {
		tables = h.Tables()
	}
	select {
	case h.compacting <- struct{}{}:
		defer func() { <-h.compacting }()
	case <-ctx.Done():
		return Compaction{}, fmt.Errorf("compaction: another one is under way: %w", ctx.Err())
	}
	began := h.cfg.Wall.Now()
	c := Compaction{Trigger: trigger, StartedAt: *vault.At(began), Status: StatusComplete}
	failed := 0
	for _, name := range tables {
		if trigger == actors.TriggerSchedule && !h.untilUnpinned(ctx) {
			break // the hub closes
		}
		r := h.compactOne(ctx, name)
		if r.Error != "" && ctx.Err() == nil {
			h.log.Warn("a table could not be compacted; it is tried once more", "table", name, "err", r.Error)
			r = h.compactOne(ctx, name)
		}
		if r.Error != "" && trigger == actors.TriggerSchedule && ctx.Err() != nil {
			break // it did not fail: the hub closes
		}
		if r.Error != "" {
			failed++
		}
		c.Results = append(c.Results, r)
	}
	if len(c.Results) == 0 {
		return c, ctx.Err()
	}
	if failed == len(c.Results) {
		c.Status = StatusFailed
	} else if failed > 0 {
		c.Status = StatusPartial
	}
	c.DurationMS = vault.Millis(h.cfg.Wall.Since(began))
	h.remember(c)
	if c.Status == StatusComplete {
		h.publish(bus.CompactionComplete, c)
	} else {
		h.publish(bus.CompactionFailed, c)
	}
	return c, c.failure()
}

func (c *Compaction) failure() error {
	if c.Status == StatusComplete {
		return nil
	}
	e := &FailedError{What: "compaction", Status: c.Status}
	for _, r := range c.Results {
		if r.Error != "" {
			e.add(r.Table+": "+r.Error, r.cause)
		}
	}
	return e
}

func (h *Hub) compactOne(ctx context.Context, name string) CompactedTable {
	began := h.cfg.Wall.Now()
	out := CompactedTable{Table: name, Status: StatusOK}
	ref, err := h.group.Table(name)
	if err == nil {
		before, after, e := ref.Compact(ctx)
		err = e
		out.BytesBefore, out.FragmentationBefore = before.FileBytes, before.Fragmentation
		out.BytesAfter, out.FragmentationAfter, out.Records = after.FileBytes, after.Fragmentation, after.Records
	}
	if err != nil {
		out.Status, out.Error, out.cause = StatusError, err.Error(), err
	}
	out.DurationMS = vault.Millis(h.cfg.Wall.Since(began))
	return out
}

// remember keeps the newest compactions, also across restarts. The caller holds
// compacting.
func (h *Hub) remember(c Compaction) {
	h.historyMu.Lock()
	history := append([]Compaction{c}, h.history...)
	h.history = history[:min(len(history), historyLength)]
	history = h.history
	h.historyMu.Unlock()
	if err := writeJSON(h.fs(), h.path(compactionsFile), history); err != nil {
		h.log.Error("the history of compactions could not be written", "err", err)
	}
}

// loadHistory reads the compactions of earlier starts. Losing them loses no data,
// so damage is logged and the history starts anew.
func (h *Hub) loadHistory() {
	if err := road.ReadJSON(h.fs(), h.path(compactionsFile), &h.history); err != nil && !isMissing(err) {
		h.log.Error("the history of compactions cannot be read and starts anew", "err", err)
		h.history = nil
	}
}
