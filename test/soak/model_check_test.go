package soak

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// The batches, one after another, make what holds says.
func TestTheModelIsItsBatches(t *testing.T) {
	state := map[string]string{}
	for n := 1; n <= 2*ringA+7; n++ {
		for _, op := range batch(3, n) {
			if delete(state, string(op.Key)); !op.Delete {
				state[string(op.Key)] = string(op.Value)
			}
		}
		if n%131 != 0 && n > 3 {
			continue
		}
		want := map[string]string{}
		holds(3, n, func(key, value []byte) { want[string(key)] = string(value) })
		require.Equal(t, want, state, "after %d", n)
	}
}

// compare holds a hub's tables to what they were at the instant, and returns how many
// tables and records it compared.
func (i *instant) compare(ctx context.Context, h *app.Hub) (tables, records int, err error) {
	for n := range tableCount {
		if !i.sure[n] {
			continue
		}
		t, err := h.Table(tableName(n))
		if err != nil {
			return tables, records, err
		}
		want := i.want(n)
		for r, err := range t.Scan(ctx, app.Range{}) { // ends by comparing with the ledger
			if err != nil {
				return tables, records, err
			}
			if string(r.Key) == string(markKey) {
				continue
			}
			value, ok := want[string(r.Key)]
			if !ok || value != string(r.Value) {
				return tables, records, fmt.Errorf("table %s at %d: key %s is %.80q, not %.80q", t.Name(), i.v, r.Key, r.Value, value)
			}
			delete(want, string(r.Key))
			records++
		}
		for key := range want {
			return tables, records, fmt.Errorf("table %s at %d: key %s is missing (and %d more)", t.Name(), i.v, key, len(want)-1)
		}
		tables++
	}
	return tables, records, nil
}

// compareDir does so with a data directory that nobody serves, and removes it.
func (i *instant) compareDir(ctx context.Context, dir, vault string) (tables, records int, err error) {
	h, err := app.Open(ctx, app.Config{Data: dir, Vault: vault, Offline: true, LogInterval: -1, MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, 0, err
	}
	tables, records, err = i.compare(ctx, h)
	if cerr := h.Close(ctx); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	return tables, records, err
}
