package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
)

// breaksFile remembers breaks of the change log until a snapshot has closed them.
const breaksFile = "changelog.json"

// logBreak is a stretch of the past that the change log will never have.
type logBreak struct {
	Tables []string  `json:"tables"`
	At     time.Time `json:"at"` // when the tables let go of what the log had not got
	Reason string    `json:"reason"`
}

// newShipper makes what ships commits to the vault; nil where there is no change log.
func (h *Hub) newShipper() *changelog.Shipper {
	if h.cfg.LogInterval < 0 {
		return nil
	}
	cfg := changelog.ShipperConfig{Log: h.vault.Log(), Clock: h.clock, Wall: h.cfg.Wall,
		Interval: h.cfg.LogInterval, Cap: h.cfg.LogCap, Broke: h.logBroke, Resumed: h.logResumed, Logger: h.log}
	if hook := h.cfg.Hooks.Log; hook != nil {
		hook(&cfg)
	}
	return changelog.NewShipper(cfg)
}

// logBroke makes a coming break durable, before any table lets go.
func (h *Hub) logBroke(tables []string, why error) error {
	return writeJSON(h.fs(), h.path(breaksFile), logBreak{Tables: tables, At: h.cfg.Wall.Now().UTC(), Reason: why.Error()})
}

// closeBreak goes on with what an end of the process left open: a break that no backup
// has closed yet.
func (h *Hub) closeBreak() {
	var open logBreak
	b, err := disk.ReadFile(h.fs(), h.path(breaksFile))
	if err != nil || json.Unmarshal(b, &open) != nil || h.shipper == nil {
		return
	}
	served := slices.DeleteFunc(open.Tables, func(name string) bool { return !slices.Contains(h.Tables(), name) })
	if len(served) > 0 {
		h.logResumed(served)
	}
}

// logResumed backs the tables up: their past begins anew with that snapshot.
func (h *Hub) logResumed(tables []string) {
	ctx, done, err := h.begin(h.life)
	if err != nil {
		return // the next start does it
	}
	go func() {
		defer done()
		_, err := h.group.Backup().Backup(ctx, actors.TriggerSchedule, tables...)
		if err == nil {
			err = removeFile(h.fs(), h.path(breaksFile))
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			h.log.Error("the break of the change log is still open: its tables could not be backed up", "tables", tables, "err", err)
		}
	}()
}
