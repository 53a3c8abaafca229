package harness

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/brockdb/brock/app"
)

const (
	workKeys  = 200  // how many keys a workload writes to, so that it meets its own
	workBatch = 12   // operations of its largest batch
	workValue = 300  // bytes of most values at most
	workLarge = 6000 // bytes of the few large ones, which Badger keeps apart
)

func cloneRecords(m map[string]modelled) map[string]modelled { return maps.Clone(m) }

// makeUp returns the next batch. It uses up the same random numbers whatever the
// table answered before, so a seed stays the same workload with and without faults
// as far as conditions do not depend on versions.
func (w *Workload) makeUp(now time.Time) app.Batch {
	switch p := w.rng.IntN(100); {
	case p < 50:
		return app.Batch{w.put(w.key())}
	case p < 62:
		return app.Batch{{Key: w.key(), Delete: true}}
	case p < 77:
		return w.batch()
	case p < 84:
		op := w.put(w.key())
		op.IfAbsent = true
		return app.Batch{op}
	case p < 92:
		op := w.put(w.key())
		op.IfVersion = w.fence(op.Key)
		return app.Batch{op}
	default:
		op := w.put(w.key())
		after := []time.Duration{-time.Second, time.Minute, 10 * time.Minute, time.Hour}[w.rng.IntN(4)]
		op.ExpiresAt = time.UnixMilli(now.Add(after).UnixMilli()).UTC()
		return app.Batch{op}
	}
}

// batch is puts and deletes of different keys.
func (w *Workload) batch() app.Batch {
	var b app.Batch
	for range 2 + w.rng.IntN(workBatch-1) {
		op := w.put(w.key())
		if w.rng.IntN(4) == 0 {
			op = app.Op{Key: op.Key, Delete: true}
		}
		if !slices.ContainsFunc(b, func(o app.Op) bool { return string(o.Key) == string(op.Key) }) {
			b = append(b, op)
		}
	}
	return b
}

func (w *Workload) key() []byte { return fmt.Appendf(nil, "key-%03d", w.rng.IntN(workKeys)) }

func (w *Workload) put(key []byte) app.Op {
	size := w.rng.IntN(workValue)
	if w.rng.IntN(40) == 0 {
		size = workLarge
	}
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(w.rng.Uint32())
	}
	return app.Op{Key: key, Value: value}
}

// fence is the version of the key's record, or now and then one that it never had.
func (w *Workload) fence(key []byte) app.Version {
	wrong := w.rng.IntN(3) == 0
	v := w.model.records[string(key)].Version
	if wrong || v == 0 {
		return v + 1
	}
	return v
}
