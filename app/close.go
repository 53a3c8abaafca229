package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/storage"
)

// Close ends the hub in order: no more requests, no more writes, the backup under
// way aborted, queued writes committed, stores closed, last events delivered. When
// ctx ends first, it stops waiting and returns an error; nothing acknowledged is
// lost by that. Calls after the first wait for it and return the same.
//
// Where stores did not close in time, or cannot for want of space ([ErrNoSpace]), the data
// directory stays locked until the process ends.
func (h *Hub) Close(ctx context.Context) error {
	h.once.Do(func() { h.err = storage.Named(h.close(ctx)) })
	return h.err
}

// closeShips bounds how long the tables' close waits for the change log.
const closeShips = 3 * time.Second

// shipTail ships what the log has not got while the stores, which alone may have it,
// are open. What they commit until they close is little, and in memory.
func (h *Hub) shipTail(ctx context.Context) {
	if h.group == nil || h.shipper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeShips)
	defer cancel()
	_, _ = h.shipper.Ship(ctx) // what it could not do the shipper's close tries again
}

func (h *Hub) close(ctx context.Context) error {
	h.opsMu.Lock()
	close(h.closing)
	h.end()
	h.opsMu.Unlock()
	var err error
	note := func(e error) { err = errors.Join(err, e) }
	if h.bus != nil {
		h.bus.StopRequests()
	}
	if h.web != nil {
		note(h.web.Close(ctx))
	}
	h.cursors.close()
	h.pasts.close()
	h.shipTail(ctx)
	open := false // stores that did not close in time
	if h.group != nil {
		e := h.group.Close(ctx)
		open = e != nil
		note(e)
	}
	if e := h.shipper.Close(ctx); e != nil {
		h.log.Warn("the change log has not all commits; the next start ships the rest", "err", e)
	}
	if e := waitFor(ctx, &h.ops); e != nil {
		note(fmt.Errorf("work under way did not stop in time: %w", e))
	} else if e := waitFor(ctx, &h.pasts.ending); e != nil {
		h.log.Warn("what was built of the past is still open; the next start removes it", "err", e)
	}
	if h.doors != nil {
		h.doors.audit.close()
	}
	if e := h.alarms.Close(ctx); e != nil {
		h.log.Warn("an alarm is still under way", "err", e)
	}
	if h.bus != nil {
		busCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
		if e := h.bus.Close(busCtx); e != nil {
			h.log.Warn("the last events wait on the disk for the next start", "err", e)
		}
		cancel()
	}
	if h.server != nil {
		note(h.server.Close(ctx))
	}
	if h.clock != nil {
		note(h.clock.Close())
	}
	if h.vault != nil {
		note(h.vault.Close())
	}
	if h.lock != nil {
		note(removeFile(h.fs(), h.path(hubFile)))
		if !open { // else the lock stays until the process ends: nobody may open those stores beside it
			note(h.lock.Unlock())
		}
	}
	return err
}
