package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

const (
	watchedFile = "watched.json"
	watchEvery  = time.Minute
	// watchSoon is how long the first look waits after a start, so that an overdue backup
	// can be made before anybody is told that it is overdue.
	watchSoon = 45 * time.Second
)

// watched is what the watch has told of, kept across restarts.
type watched struct {
	StaleAt *time.Time `json:"stale_at"` // when backup_stale was last announced; null: it is not stale
	Health  *turns     `json:"health"`   // null: it has never looked
}

// startWatch begins to watch over what the hub's other parts may be too ill to tell:
// it needs neither the backup actor nor the vault nor NATS.
func (h *Hub) startWatch() {
	if h.cfg.Offline {
		return
	}
	ctx, done, err := h.begin(h.life)
	if err != nil {
		return
	}
	go func() {
		defer done()
		h.watch(ctx)
	}()
	h.alarms.StartHeartbeat(h.isAlive)
}

func (h *Hub) watch(ctx context.Context) {
	var w watched
	if b, err := disk.ReadFile(h.fs(), h.path(watchedFile)); err == nil && json.Unmarshal(b, &w) != nil {
		w = watched{} // then something is told twice
	}
	for wait := watchSoon; h.pause(ctx, wait); wait = watchEvery {
		changed := h.watchStaleness(&w)
		changed = h.watchHealth(ctx, &w) || changed
		if !changed {
			continue
		}
		if err := writeJSON(h.fs(), h.path(watchedFile), w); err != nil {
			h.log.Warn("what was announced cannot be remembered; after a restart it may be told again", "err", err)
		}
	}
}

// isAlive says whether the heartbeat may go out.
func (h *Hub) isAlive(ctx context.Context) bool {
	if _, stale := h.staleness(); stale || !h.isReady() {
		return false
	}
	return h.Health(ctx).Status != HealthUnhealthy
}
