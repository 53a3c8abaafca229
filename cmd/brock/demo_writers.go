package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/app"
)

// writerTables are written to while everything else happens.
var writerTables = []string{"message_history", "channel_history", "agent_mailbox"}

// writerPause leaves a small machine some air.
const writerPause = 2 * time.Millisecond

// writers remember what was acknowledged.
type writers struct {
	end   context.CancelFunc
	wg    sync.WaitGroup
	acked []atomic.Int64 // one a table; keys are counted
	mu    sync.Mutex
	err   error
}

func writerKey(i int64) string { return fmt.Sprintf("live-%08d", i) }

func writerValue(table string, i int64) string {
	return fmt.Sprintf(`{"table":%q,"seq":%d,"text":"written while the demo ran"}`, table, i)
}

func (w *writers) start(ctx context.Context, hub *app.Hub) error {
	ctx, w.end = context.WithCancel(ctx)
	w.acked = make([]atomic.Int64, len(writerTables))
	for i, name := range writerTables {
		t, err := hub.Table(name)
		if err != nil {
			return err
		}
		w.wg.Go(func() { w.write(ctx, t, &w.acked[i]) })
	}
	return nil
}

// write writes until ctx ends. The write under way then is not cut off, so that
// every key below acked was acknowledged.
func (w *writers) write(ctx context.Context, t *app.Table, acked *atomic.Int64) {
	for ctx.Err() == nil {
		i := acked.Load()
		if _, err := t.Put(context.WithoutCancel(ctx), []byte(writerKey(i)), []byte(writerValue(t.Name(), i))); err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
		acked.Add(1)
		time.Sleep(writerPause)
	}
}

// count is how many writes were acknowledged so far.
func (w *writers) count() int {
	n := int64(0)
	for i := range w.acked {
		n += w.acked[i].Load()
	}
	return int(n)
}

func (w *writers) stop() {
	if w.end != nil {
		w.end()
	}
	w.wg.Wait()
}

// check reads back every acknowledged write.
func (w *writers) check(ctx context.Context, hub *app.Hub) (int, error) {
	if w.err != nil {
		return 0, fmt.Errorf("a write failed: %w", w.err)
	}
	for i, name := range writerTables {
		t, err := hub.Table(name)
		if err != nil {
			return 0, err
		}
		for n := range w.acked[i].Load() {
			r, err := t.Get(ctx, []byte(writerKey(n)))
			if err != nil {
				return 0, fmt.Errorf("an acknowledged write is missing: %w", err)
			}
			if string(r.Value) != writerValue(name, n) {
				return 0, fmt.Errorf("an acknowledged write has changed: %s of %s", r.Key, name)
			}
		}
	}
	return w.count(), nil
}
