package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/disk"
)

// begin lets a piece of work in whose end Close waits for. Its context ends when
// the hub closes.
func (h *Hub) begin(ctx context.Context) (context.Context, func(), error) {
	h.opsMu.Lock()
	defer h.opsMu.Unlock()
	select {
	case <-h.closing:
		return nil, nil, fmt.Errorf("hub %s: %w", h.cfg.Name, ErrClosed)
	default:
	}
	h.ops.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.life, cancel)
	return ctx, func() {
		stop()
		cancel()
		h.ops.Done()
	}, nil
}

// beginLook lets a look at a disk in, as begin does.
func (h *Hub) beginLook() (done func(), err error) {
	_, done, err = h.begin(h.life)
	return done, err
}

// publish makes an event durable and lets the bus deliver it. What people must hear
// of becomes an alarm besides, whatever the bus does.
func (h *Hub) publish(typ bus.EventType, detail any) {
	e, err := bus.NewEvent(typ, h.cfg.Name, h.cfg.Wall.Now(), detail)
	if err == nil {
		h.backups.saw(detail)
		h.metrics.saw(e) // before anybody hears of it; what cannot be published has happened too
		h.lookups.forget()
		h.logEvent(e)
		if h.bus != nil {
			err = h.bus.Publish(e)
		} else {
			err = h.spool.Publish(e)
		}
		h.alarm(e)
	}
	if run, ok := detail.(Run); ok && typ == bus.BackupComplete {
		h.healer.backedUp(run)
	}
	if typ == bus.BackupComplete {
		select {
		case h.backedUp <- struct{}{}:
		default:
		}
	}
	if err != nil {
		h.log.Error("an event could not be published", "type", typ, "err", err)
	}
}

func (h *Hub) progress(p bus.Progress) {
	if h.bus != nil {
		h.bus.Progress(p)
	}
}

// vaultProgress passes on how far a verify or drill is. They may be several at a
// time, and have no run of their own.
func (h *Hub) vaultProgress(stage, table string, done, total int64) {
	h.progress(bus.Progress{Table: table, Stage: stage, Done: done, Total: total})
}

func removeFile(fsys disk.FS, path string) error {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func waitFor(ctx context.Context, g *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
