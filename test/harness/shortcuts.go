package harness

import (
	"errors"
	"time"

	"github.com/brockdb/brock/app"
)

// Table returns a table of the running hub.
func (h *Harness) Table(name string) *app.Table {
	h.t.Helper()
	table, err := h.Hub().Table(name)
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	return table
}

// AwaitServing waits until the table serves: after a crash it is opened again with a
// delay. A [FakeClock] is advanced by what that takes.
func (h *Harness) AwaitServing(table string) {
	h.t.Helper()
	t := h.Table(table)
	var err error
	if !h.probes.until(func() bool {
		_, err = t.Count(h.t.Context())
		if err != nil && h.Clock != nil {
			h.Clock.Advance(reopenMost)
		}
		return err == nil
	}) {
		h.t.Fatalf("harness: table %s does not come back: %v", table, err)
	}
}

// reopenMost is as long as a table waits at most before it is opened again.
const reopenMost = 30 * time.Second

// Put writes a record; an error fails the test.
func (h *Harness) Put(table, key, value string) {
	h.t.Helper()
	if _, err := h.Table(table).Put(h.t.Context(), []byte(key), []byte(value)); err != nil {
		h.t.Fatalf("harness: put %s into %s: %v", key, table, err)
	}
}

// Get returns the value of a key, "" where it has no live record. Another error
// fails the test.
func (h *Harness) Get(table, key string) string {
	h.t.Helper()
	rec, err := h.Table(table).Get(h.t.Context(), []byte(key))
	if err != nil && !errors.Is(err, app.ErrNotFound) {
		h.t.Fatalf("harness: get %s from %s: %v", key, table, err)
	}
	return string(rec.Value)
}

// Backup backs up the named tables, all where none is named, and fails the test
// unless all of them succeed.
func (h *Harness) Backup(tables ...string) app.Run {
	h.t.Helper()
	run, err := h.Hub().Backup(h.t.Context(), tables...)
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	return run
}
