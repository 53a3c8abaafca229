package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/vault"
)

// Scrub reads all of the named live tables, of all where none is named, checks every
// record and compares the whole with the ledger, while they serve. It reads at most
// [Config.ScrubRate] bytes a second. Damage is announced as an event and comes with a
// [*FailedError].
func (h *Hub) Scrub(ctx context.Context, tables ...string) (Report, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return Report{}, err
	}
	defer done()
	if len(tables) == 0 {
		tables = h.Tables()
	}
	began := h.cfg.Wall.Now()
	r := Report{Status: StatusOK, Problems: []Problem{}}
	for _, name := range tables {
		n, err := h.scrubTable(ctx, name)
		r.Bytes += n
		switch {
		case err == nil:
			r.Checked++
		case ctx.Err() != nil, errors.Is(err, ErrUnknownTable):
			return r, err
		default:
			r.Status = StatusFailed
			r.Problems = append(r.Problems, Problem{Table: name, Problem: err.Error()})
		}
	}
	r.DurationMS = vault.Millis(h.cfg.Wall.Since(began))
	return r, problems("scrub", r.Status, r.Problems)
}

func (h *Hub) scrubTable(ctx context.Context, name string) (n int64, err error) {
	t, err := h.Table(name)
	if err != nil {
		return 0, err
	}
	stats, err := t.ref.Stats()
	if err != nil {
		return 0, err
	}
	pace, paid := vault.NewLimiter(h.cfg.ScrubRate), int64(0)
	for rec, err := range t.Scan(ctx, Range{}) {
		if err != nil {
			return n, err
		}
		if n += int64(len(rec.Key) + len(rec.Value)); n-paid < scrubStep {
			continue
		}
		h.progress(bus.Progress{Table: name, Stage: "scrub", Done: n, Total: int64(stats.LiveBytes)})
		for ; pace != nil && paid < n; paid += int64(pace.Burst()) {
			if err := pace.WaitN(ctx, pace.Burst()); err != nil {
				return n, fmt.Errorf("scrub of table %s: %w", name, err)
			}
		}
		paid = n
	}
	return n, nil
}

// scrubStep is how many bytes are read between two pauses.
const scrubStep = 1 << 20

const scrubsFile = "scrubs.json"

// scrubbed are the times of the last scrub of each table that found nothing.
type scrubbed struct {
	Tables map[string]time.Time `json:"tables"`
}
