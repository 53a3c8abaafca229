package linear

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// event is the beginning or the end of an operation; one with neither says that the
// hub has ended, and with it all that was under way.
type event struct {
	ID     int     `json:"id"`
	Client int     `json:"client,omitempty"`
	In     *input  `json:"in,omitempty"`
	Out    *output `json:"out,omitempty"`
}

// history takes down events in their order: a beginning before it begins, an end when
// it has ended.
type history struct {
	mu     sync.Mutex
	events []event
	ids    int
	tell   func(event) // may be nil; hears of each
}

func (h *history) begin(client int, in input) (id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids++
	h.add(event{ID: h.ids, Client: client, In: &in})
	return h.ids
}

func (h *history) end(id int, out output) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(event{ID: id, Out: &out})
}

func (h *history) ended() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(event{})
}

func (h *history) add(e event) {
	h.events = append(h.events, e)
	if h.tell != nil {
		h.tell(e)
	}
}

// operations are a table's. What came to nothing is left out. What is not known to have
// come to an end may take effect until the hub ends, and not later.
func (h *history) operations(table int) (all []porcupine.Operation) {
	at := map[int]*porcupine.Operation{}
	restoredLater := map[string]bool{}
	for _, e := range h.events {
		if e.In != nil && e.In.Kind == restore {
			restoredLater[e.In.Run] = true
		}
	}
	var order []*porcupine.Operation
	var waiting []*porcupine.Operation
	for i, e := range h.events {
		now := int64(i)
		switch {
		case e.In != nil && e.In.Table == table:
			op := &porcupine.Operation{ClientId: e.Client, Input: *e.In, Output: output{Status: unknown}, Call: now, Return: math.MaxInt64}
			at[e.ID], order, waiting = op, append(order, op), append(waiting, op)
		case e.Out != nil && at[e.ID] != nil:
			op := at[e.ID]
			if op.Output = *e.Out; e.Out.Status != unknown {
				op.Return = now
			}
		case e.In == nil && e.Out == nil:
			for _, op := range waiting {
				op.Return = min(op.Return, now)
			}
			waiting = nil
		}
	}
	for _, op := range order {
		in, out := op.Input.(input), op.Output.(output)
		in.wanted = in.Kind == backup && restoredLater[out.Run]
		op.Input = in
		changes := in.Kind == write || in.Kind == restore
		if out.Status == refused || out.Status == unknown && !changes {
			continue
		}
		all = append(all, *op)
	}
	return all
}

// tally sums up what was checked.
type tally struct{ histories, operations, backups, restores, conflicts, open, undecided int }

func (a *tally) add(b tally) {
	a.histories += b.histories
	a.operations += b.operations
	a.backups += b.backups
	a.restores += b.restores
	a.conflicts += b.conflicts
	a.open += b.open
	a.undecided += b.undecided
}

func (a *tally) count(ops []porcupine.Operation) {
	a.histories++
	a.operations += len(ops)
	for _, op := range ops {
		in, out := op.Input.(input), op.Output.(output)
		switch {
		case out.Status == unknown:
			a.open++
		case out.Status == conflict:
			a.conflicts++
		case in.Kind == backup:
			a.backups++
		case in.Kind == restore:
			a.restores++
		}
	}
}

func (a tally) String() string {
	return fmt.Sprintf("%d histories of %d operations: %d backups, %d restores, %d conditions that did not hold, %d of unknown outcome; %d not decided in %v",
		a.histories, a.operations, a.backups, a.restores, a.conflicts, a.open, a.undecided, *patient)
}

// enough fails a long run that proved little.
func (a tally) enough(t *testing.T) {
	t.Helper()
	require.LessOrEqual(t, a.undecided*100, a.histories, "too many histories were too hard")
	if a.histories >= 40 {
		require.Positive(t, a.backups*a.restores*a.conflicts*a.open, "something was never met")
	}
}

// check looks for an order of each table's operations, and draws those that have none.
func (h *history) check(t *testing.T, name string, tables int) (sum tally) {
	t.Helper()
	for table := range tables {
		ops := h.operations(table)
		require.NotEmpty(t, ops)
		sum.count(ops)
		switch result, info := porcupine.CheckOperationsVerbose(model.ToModel(), ops, *patient); result {
		case porcupine.Illegal:
			t.Errorf("%s, table %d: %d operations have no order; drawn in %s", name, table, len(ops), draw(t, fmt.Sprintf("%s-table-%d.html", name, table), info))
		case porcupine.Unknown:
			sum.undecided++
		}
	}
	return sum
}

// draw writes porcupine's picture and returns where it is.
func draw(t *testing.T, name string, info porcupine.LinearizationInfo) string {
	t.Helper()
	if *folder == "" {
		dir, err := os.MkdirTemp("", "brock-linear-")
		require.NoError(t, err)
		*folder = dir
	}
	require.NoError(t, os.MkdirAll(*folder, 0o755))
	file := filepath.Join(*folder, name)
	require.NoError(t, porcupine.VisualizePath(model.ToModel(), info, file))
	return file
}
