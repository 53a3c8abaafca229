package harness

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/brockdb/brock/app"
)

// model is what a table must hold after the batches that were acknowledged.
type model struct {
	records map[string]modelled
	// maybe is the batch whose outcome is not known; nil: there is none. It is
	// written wholly or not at all.
	maybe app.Batch
}

type modelled struct {
	Value     []byte
	Version   app.Version // 0: not known, since its batch was not acknowledged
	ExpiresAt time.Time
}

func newModel() *model { return &model{records: map[string]modelled{}} }

// apply takes in a batch that was written at the version.
func (m *model) apply(b app.Batch, v app.Version) {
	for _, op := range b {
		if op.Delete {
			delete(m.records, string(op.Key))
			continue
		}
		m.records[string(op.Key)] = modelled{Value: op.Value, Version: v, ExpiresAt: op.ExpiresAt}
	}
}

// blur is how far the hub's present may be ahead of its wall clock: after a kill
// versions go on from a mark that was set ahead.
const blur = 15 * time.Second

// life says whether the record is live at the time, and whether that is sure.
func (r modelled) life(now time.Time) (live, sure bool) {
	switch {
	case r.ExpiresAt.IsZero() || now.Add(blur).Before(r.ExpiresAt):
		return true, true
	case r.ExpiresAt.After(now):
		return true, false
	}
	return false, true
}

// allows says whether the conditions of the batch hold, and whether that is sure.
func (m *model) allows(b app.Batch, now time.Time) (ok, sure bool) {
	ok, sure = true, true
	for _, op := range b {
		r, exists := m.records[string(op.Key)]
		live, certain := r.life(now)
		live = live && exists
		switch {
		case op.IfAbsent:
			ok = ok && !live
		case op.IfVersion > 0:
			ok = ok && live && r.Version == op.IfVersion
			certain = certain && (r.Version > 0 || !exists)
		default:
			continue
		}
		sure = sure && (certain || !exists)
	}
	return ok, sure
}

// compare returns how the records differ from the model, "" where they agree.
func (m *model) compare(found map[string]app.Record, now time.Time) string {
	for _, key := range slices.Sorted(maps.Keys(found)) {
		rec, want := found[key], m.records[key]
		live, sure := want.life(now)
		switch _, exists := m.records[key]; {
		case !exists:
			return fmt.Sprintf("key %q is there, with %d bytes of version %d, and must not be", key, len(rec.Value), rec.Version)
		case !live && sure:
			return fmt.Sprintf("key %q is there although it expired at %v; it is %v", key, want.ExpiresAt, now)
		case !bytes.Equal(rec.Value, want.Value):
			return fmt.Sprintf("key %q has the wrong value (%d bytes of version %d, not %d of %d)", key, len(rec.Value), rec.Version, len(want.Value), want.Version)
		case want.Version > 0 && rec.Version != want.Version:
			return fmt.Sprintf("key %q has version %d, not %d", key, rec.Version, want.Version)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		want := m.records[key]
		live, sure := want.life(now)
		if _, is := found[key]; !is && live && sure {
			return fmt.Sprintf("key %q is not there; version %d must be", key, want.Version)
		}
	}
	return ""
}

// settle compares, with and without the batch whose outcome is not known, and goes
// on from what is true.
func (m *model) settle(found map[string]app.Record, now time.Time) string {
	without := m.compare(found, now)
	if m.maybe == nil {
		return without
	}
	with := newModel()
	with.records = maps.Clone(m.records)
	with.apply(m.maybe, 0)
	if problem := with.compare(found, now); problem != "" && without != "" {
		return fmt.Sprintf("%s; and if the batch whose outcome is not known was written, %s", without, problem)
	} else if problem == "" && without != "" {
		m.records = with.records
	}
	m.maybe = nil
	m.learn(found)
	return ""
}

// learn takes over the versions of batches that were never acknowledged.
func (m *model) learn(found map[string]app.Record) {
	for key, r := range m.records {
		if rec, is := found[key]; is && r.Version == 0 {
			r.Version = rec.Version
			m.records[key] = r
		}
	}
}
