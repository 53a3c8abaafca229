package power

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
)

// after opens a hub on what the cut leaves.
func (h *livingHub) after(c disktest.Cut, rng *rand.Rand) error {
	dir, err := os.MkdirTemp("", "brock-power-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := h.lay(dir, c, rng); err != nil {
		return fmt.Errorf("the test cannot lay the disk out: %w", err)
	}
	hub, err := app.Open(ctx, h.config(dir, disk.OS))
	if err != nil {
		return fmt.Errorf("the hub does not start: %w", err)
	}
	err = h.check(hub)
	if e := hub.Close(ctx); err == nil {
		err = e
	}
	if err == nil {
		err = nothingLeft(dir)
	}
	return err
}

// lay writes the disk that the cut leaves into the folder.
func (h *livingHub) lay(dir string, c disktest.Cut, rng *rand.Rand) error {
	player := h.rec.Player()
	d := player.At(c)
	place := func(name string) (string, bool) {
		rel, err := filepath.Rel(h.dir, name)
		return filepath.Join(dir, rel), err == nil && filepath.IsLocal(rel)
	}
	err := d.Files(func(name string, isDir bool, data []byte) error {
		to, ok := place(name)
		switch {
		case !ok:
			return nil
		case isDir:
			return os.MkdirAll(to, 0o700)
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil {
		return err
	}
	for name, home := range d.Foreign {
		to, _ := place(name)
		if _, err := os.Stat(home); home == "" || err != nil {
			continue // scratch that its maker removed himself
		}
		if err := copyStore(home, to, c, rng); err != nil {
			return err
		}
	}
	return h.unknown(player, place, c, rng)
}

// unknown copies the stores that were made and not yet named: they may be there. One
// that a marker names is, since its maker has synced it before.
func (h *livingHub) unknown(player *disktest.Player, place func(string) (string, bool), c disktest.Cut, rng *rand.Rand) error {
	stores, err := filepath.Glob(filepath.Join(h.dir, "data", "tables", "*", "store", "*"))
	if err != nil {
		return err
	}
	for _, from := range stores {
		to, _ := place(from)
		_, err := os.Stat(filepath.Dir(to))
		if player.Knows(from) || err != nil {
			continue
		}
		mark, _ := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(to)), "table.json")) // where there is none, none is named
		if !strings.Contains(string(mark), `"current": "`+filepath.Base(from)) && rng.IntN(100) >= c.Keep {
			continue
		}
		if err := copyStore(from, to, c, rng); err != nil {
			return err
		}
	}
	return nil
}

// copyStore copies a store; its witness, which nobody syncs, is there, lost, or torn.
func copyStore(from, to string, c disktest.Cut, rng *rand.Rand) error {
	if err := copyTree(from, to); err != nil {
		return err
	}
	witness := filepath.Join(to, "WITNESS")
	b, err := os.ReadFile(witness)
	if err != nil || rng.IntN(100) < c.Keep {
		return nil //nolint:nilerr // a store in the making has none yet
	}
	switch rng.IntN(3) {
	case 0:
		return os.Remove(witness)
	case 1:
		return os.Truncate(witness, int64(rng.IntN(len(b)+1)))
	}
	return os.WriteFile(witness, make([]byte, len(b)), 0o600)
}

// check holds a hub to what was acknowledged before the cut.
func (h *livingHub) check(hub *app.Hub) error {
	task, err := content(hub, "task")
	if err != nil {
		return err
	}
	for key, value := range h.task {
		if task[key] != value {
			return fmt.Errorf("task has %q under %q, and not %q: %v of %v", task[key], key, value, task, h.task)
		}
	}
	rolled, err := content(hub, "rolled")
	if err != nil {
		return err
	}
	if !oneOf(rolled, h.rolled) {
		return fmt.Errorf("rolled has %v, which is none of %v", rolled, h.rolled)
	}
	for _, id := range h.runs {
		if _, err := hub.Run(ctx, id); err != nil {
			return fmt.Errorf("a backup that was complete: %w", err)
		}
	}
	if c := hub.Credentials(); c.Validate() != nil {
		return fmt.Errorf("credentials: %w", c.Validate())
	}
	return h.goOn(hub)
}

func (h *livingHub) goOn(hub *app.Hub) error {
	if rep, err := hub.Verify(ctx); err != nil {
		return fmt.Errorf("verify: %w: %+v", err, rep.Problems)
	}
	tb, err := hub.Table("task")
	if err != nil {
		return err
	}
	v, err := tb.Put(ctx, []byte("after"), []byte("the cut"))
	if err != nil {
		return err
	}
	if v <= h.last {
		return fmt.Errorf("a write after the cut has version %d, one before it %d", v, h.last)
	}
	if _, err := hub.Backup(ctx); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := hub.Restore(ctx, app.RestoreRequest{Tables: []string{"rolled"}, At: "latest"}); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	rolled, err := content(hub, "rolled")
	if err == nil && !oneOf(rolled, h.rolled) {
		err = fmt.Errorf("after a restore, rolled has %v, which is none of %v", rolled, h.rolled)
	}
	return err
}

func content(hub *app.Hub, table string) (map[string]string, error) {
	tb, err := hub.Table(table)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for r, err := range tb.Scan(ctx, app.Range{}) { // ends by comparing with the ledger
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table, err)
		}
		out[string(r.Key)] = string(r.Value)
	}
	return out, nil
}

func oneOf(have map[string]string, may []map[string]string) bool {
	for _, m := range may {
		same := len(m) == len(have)
		for k, v := range m {
			same = same && have[k] == v
		}
		if same {
			return true
		}
	}
	return false
}

// nothingLeft looks for temporary names and for stores that nobody will remove.
func nothingLeft(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), disk.TempPrefix) {
			return fmt.Errorf("left over: %s", path)
		}
		if d.Name() != "table.json" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var mark struct {
			Current  string
			Replaced []struct{ Store string }
		}
		if err := json.Unmarshal(b, &mark); err != nil {
			return err
		}
		known := map[string]bool{mark.Current: true}
		for _, r := range mark.Replaced {
			known[r.Store] = true
		}
		stores, err := os.ReadDir(filepath.Join(filepath.Dir(path), "store"))
		for _, s := range stores {
			if !known[s.Name()] {
				return fmt.Errorf("a store that nobody names is left: %s", filepath.Join(filepath.Dir(path), "store", s.Name()))
			}
		}
		return err
	})
}
