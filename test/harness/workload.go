package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
)

// Workload writes to one table what a seed makes up, and keeps a model of what the
// table must then hold: puts, deletes, batches, conditional writes and expiry. The
// same seed writes the same. It may be run and checked again and again, between
// restarts, faults and kills. Only it may write to the table.
type Workload struct {
	h     *Harness
	table string

	mu    sync.Mutex
	rng   *rand.Rand
	model *model
	log   *journal // nil but in a process that shall be killed
	done  int
}

// Workload returns the table's workload, always the same one. The seed counts at
// the first call.
func (h *Harness) Workload(table string, seed uint64) *Workload {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if w := h.workloads[table]; w != nil {
		return w
	}
	w := &Workload{h: h, table: table, rng: rand.New(rand.NewPCG(seed, 0x6272_6f63_6b)), model: newModel()}
	if err := w.loadJournal(); err != nil {
		h.t.Fatalf("harness: workload of %s: %v", table, err)
	}
	h.workloads[table] = w
	return w
}

// Run writes n batches and returns how many of them were acknowledged. Batches may
// be refused while faults are on; an answer that the model rules out, such as a
// condition that held and was said not to, fails the test.
func (w *Workload) Run(n int) (acknowledged int) {
	w.h.t.Helper()
	for range n {
		ok, problem := w.step()
		if problem != "" {
			w.h.t.Errorf("harness: workload of %s, batch %d: %s", w.table, w.done, problem)
			return acknowledged
		}
		if ok {
			acknowledged++
		}
	}
	return acknowledged
}

// step writes one batch.
func (w *Workload) step() (acknowledged bool, problem string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.model.maybe != nil {
		if problem := w.check(); problem != "" {
			return false, problem
		}
		if w.model.maybe != nil {
			return false, "" // the table cannot be read: later
		}
	}
	now := w.now()
	b := w.makeUp(now)
	w.done++
	if err := w.log.intend(b); err != nil {
		return false, err.Error()
	}
	holds, sure := w.model.allows(b, now)
	ctx, cancel := context.WithTimeout(w.h.t.Context(), patience)
	defer cancel()
	table, err := w.h.Hub().Table(w.table)
	if err != nil {
		return false, err.Error()
	}
	v, err := table.Apply(ctx, b)
	return err == nil, w.learn(b, v, err, holds, sure)
}

// learn takes the answer into the model, and says where it cannot be right.
func (w *Workload) learn(b app.Batch, v app.Version, err error, holds, sure bool) string {
	switch {
	case err == nil:
		if sure && !holds {
			return fmt.Sprintf("it was acknowledged at %d although its condition does not hold", v)
		}
		w.model.apply(b, v)
		return text(w.log.outcome(v))
	case errors.Is(err, app.ErrConflict):
		if sure && holds {
			return fmt.Sprintf("its condition holds, and the answer was: %v", err)
		}
		return text(w.log.outcome(0))
	case errors.Is(err, storage.ErrUnknownOutcome), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		w.model.maybe = b
		return ""
	}
	return text(w.log.outcome(0)) // nothing was written; the next scan holds the hub to that
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Check scans the whole table and compares it with the model; a difference fails
// the test.
func (w *Workload) Check() {
	w.h.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if problem := w.check(); problem != "" {
		w.h.t.Errorf("harness: table %s is not what was acknowledged (%d batches): %s", w.table, w.done, problem)
	}
	if w.model.maybe != nil {
		w.h.t.Errorf("harness: table %s cannot be read", w.table)
	}
}

func (w *Workload) check() string {
	table, err := w.h.Hub().Table(w.table)
	if err != nil {
		return err.Error()
	}
	found := map[string]app.Record{}
	for rec, err := range table.Scan(w.h.t.Context(), app.Range{}) {
		if err != nil {
			if w.model.maybe != nil && errors.Is(err, app.ErrUnavailable) {
				return ""
			}
			return err.Error()
		}
		found[string(rec.Key)] = rec
	}
	return w.model.settle(found, w.now())
}

// Keys returns the keys that the model has, in order, due ones included.
func (w *Workload) Keys() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []string
	for k := range w.model.records {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Mark takes note of what the table must hold now and returns a function that
// makes the workload go on from there: call it after a restore to a backup that
// was made at this moment.
func (w *Workload) Mark() (goBack func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	then := newModel()
	then.records = cloneRecords(w.model.records)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.model = &model{records: cloneRecords(then.records)}
	}
}

func (w *Workload) now() time.Time {
	if w.h.Clock != nil {
		return w.h.Clock.Now()
	}
	return time.Now()
}
