package crash

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/jonboulle/clockwork"
)

// writersOf are those who may have written to a table.
var writersOf = map[string][]string{"a": {"a/0", "a/1", "a/2", "pair"}, "b": {"b/0", "pair"}, "files": {"files/0"}, "rolled": {"rolled/0"}}

// check looks at all that a start found.
func (c *child) check() {
	for _, table := range tables {
		for name, n := range c.read(table) {
			c.have[name] = n
			c.say("have", name, n)
		}
	}
	if problem := pairProblem(c.have); problem != "" {
		c.t.Errorf("%s", problem)
	}
	report, err := c.h.Hub().Verify(c.ctx)
	if err != nil || len(report.Problems) > 0 {
		c.t.Fatalf("verify: %v %+v", err, report.Problems)
	}
	c.strays()
}

// read reads a table of the hub.
func (c *child) read(table string) map[string]int {
	found, problem := statesIn(c, c.h.Hub(), table)
	if problem != "" {
		c.t.Fatalf("table %s: %s", table, problem)
	}
	return found
}

// statesIn reads a table, which ends by comparing it with its ledger, and says what each
// writer has written in it.
func statesIn(c *child, h *app.Hub, table string) (map[string]int, string) {
	t, err := h.Table(table)
	if err != nil {
		return nil, err.Error()
	}
	records := map[string]map[string][]byte{}
	for rec, err := range t.Scan(c.ctx, app.Range{}) {
		if err != nil {
			return nil, err.Error()
		}
		w := owner(string(rec.Key))
		if records[w] == nil {
			records[w] = map[string][]byte{}
		}
		records[w][string(rec.Key)] = rec.Value
	}
	found := map[string]int{}
	for _, w := range writersOf[table] {
		n, problem := stateOf(w, records[w])
		if problem != "" {
			return nil, problem
		}
		found[id(table, w)] = n
		delete(records, w)
	}
	if table == "files" && !c.order.Fresh {
		if problem := checkBallast(records["ballast"]); problem != "" {
			return nil, problem
		}
		delete(records, "ballast")
	}
	if len(records) > 0 {
		return nil, fmt.Sprintf("holds what nobody wrote: %v", records)
	}
	return found, ""
}

// pairProblem holds the writer of two tables to its order: first a, then b.
func pairProblem(have map[string]int) string {
	if a, b := have["a:pair"], have["b:pair"]; b > a || a > b+1 {
		return fmt.Sprintf("the pair has %d batches in table a and %d in b", a, b)
	}
	return ""
}

// strays fails where a table has stores that its marker does not know.
func (c *child) strays() {
	for _, table := range tables {
		dir := filepath.Join(c.order.Dir, "data", "tables", table)
		mark, err := readMarker(dir)
		if err != nil {
			c.t.Fatalf("table %s: %v", table, err)
		}
		stores, err := filepath.Glob(filepath.Join(dir, "store", "*"))
		if err != nil {
			c.t.Fatalf("%v", err)
		}
		for _, store := range stores {
			if !slices.Contains(mark, filepath.Base(store)) {
				c.t.Errorf("a store that nobody knows: %s", store)
			}
		}
	}
}

// healed looks at the table that was damaged, and at what the hub said of it.
func (c *child) healed() {
	c.h.Expect(harness.RecoveryComplete("files"))
	c.h.Stop()
}

// closing looks at all that the vault has: every snapshot restores, a run is one cut, and
// the change log leads to all that was acknowledged.
func (c *child) closing() {
	c.restoreRun()
	c.backup()
	if report, err := c.h.Hub().Drill(c.ctx); err != nil {
		c.t.Fatalf("drill: %v %+v", err, report.Problems)
	}
	latest := c.restoreInto("latest", app.RestoreRequest{All: true, At: app.Latest})
	for name, n := range latest {
		c.say("latest", name, n)
	}
	c.h.Stop()
}

// restoreRun restores the newest run that has all tables.
func (c *child) restoreRun() {
	list, err := c.h.Hub().List(c.ctx)
	if err != nil {
		c.t.Fatalf("list: %v", err)
	}
	count := map[string]int{}
	for _, s := range list.Snapshots {
		if count[s.Run]++; count[s.Run] == len(tables) {
			c.restoreInto("run", app.RestoreRequest{All: true, Snapshot: s.Run})
			c.say("run-restored")
			return
		}
	}
}

// restoreInto restores into another directory, and reads what is there then.
func (c *child) restoreInto(name string, req app.RestoreRequest) map[string]int {
	req.To = filepath.Join(c.order.Dir, name)
	c.must(c.h.Hub().Restore(c.ctx, req))
	h, err := app.Open(c.ctx, app.Config{Data: req.To, Tables: tables, Offline: true, Schedule: "off", MinFree: -1, LogInterval: -1,
		Wall: clockwork.NewRealClock(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatalf("open what was restored: %v", err)
	}
	found := map[string]int{}
	for _, table := range tables {
		states, problem := statesIn(c, h, table)
		if problem != "" {
			c.t.Errorf("restored (%s): table %s: %s", name, table, problem)
		}
		for name, n := range states {
			found[name] = n
		}
	}
	if problem := pairProblem(found); problem != "" {
		c.t.Errorf("restored (%s): %s", name, problem)
	}
	if err := h.Close(c.ctx); err != nil {
		c.t.Errorf("close what was restored: %v", err)
	}
	return found
}
