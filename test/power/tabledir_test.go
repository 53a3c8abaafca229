package power

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

const tableDir = "/data/tables/task"

// A table's folder lives: stores are staged, swapped in, taken back and forgotten, and
// openings noted. Wherever the power goes: the marker is the old or the new one, and the
// store that it names is there, whole.
func TestPowerTableDir(t *testing.T) {
	disktest.Power(t, func(t *testing.T, seed uint64) disktest.Life {
		rec, err := disktest.Record(&disktest.Mem{}, disktest.Options{})
		require.NoError(t, err)
		m := &markers{t: t, rec: rec, rng: rand.New(rand.NewPCG(seed, 1))}
		m.d, err = storage.AdoptTableDir(rec, tableDir, "task")
		require.NoError(t, err)
		m.swap()
		for range 25 {
			m.live()
		}
		return disktest.Life{Recorder: rec, Start: m.start}
	})
}

type markers struct {
	t   *testing.T
	rec *disktest.Recorder
	rng *rand.Rand
	d   *storage.TableDir
	// From the first of these steps on a store may be the table, from the second on it is.
	swaps []swapped
	kept  []since[string] // restored over: they stay
	noted []since[int]    // notes of openings; -1: perhaps none
}

type swapped struct {
	began, done int
	store       string
}

// build makes a store of one file, synced as a real one is.
func (m *markers) build() string {
	dir := m.d.Scratch()
	require.NoError(m.t, m.rec.MkdirAll(dir))
	require.NoError(m.t, disk.WriteSynced(m.rec, filepath.Join(dir, "MANIFEST"), []byte("whole")))
	require.NoError(m.t, m.rec.SyncDir(dir))
	return dir
}

func (m *markers) stage() {
	_, err := m.d.Stage(m.build())
	require.NoError(m.t, err)
}

func (m *markers) swap() {
	m.stage()
	s := swapped{began: m.rec.Steps() + 1}
	why := []string{storage.WhyRestore, storage.WhyCompaction}[m.rng.IntN(2)]
	replaced, err := m.d.Swap(why)
	require.NoError(m.t, err)
	s.done, s.store = m.rec.Steps(), m.d.Current()
	m.swaps = append(m.swaps, s)
	if replaced != "" && why == storage.WhyRestore {
		m.kept = append(m.kept, since[string]{s.done, replaced})
	}
	if replaced != "" && why == storage.WhyCompaction && m.rng.IntN(2) == 0 {
		require.NoError(m.t, m.d.Forget(replaced))
	}
}

func (m *markers) live() {
	switch m.rng.IntN(5) {
	case 0, 1:
		m.swap()
	case 2:
		m.stage()
		require.NoError(m.t, m.d.Unstage())
	case 3:
		m.noted = append(m.noted, since[int]{m.rec.Steps() + 1, -1})
		n := 1 + m.rng.IntN(100)
		require.NoError(m.t, m.d.NoteOpening(storage.Opening{Found: n, Since: time.Now()}))
		m.noted = append(m.noted, since[int]{m.rec.Steps(), n})
	case 4:
		require.NoError(m.t, m.d.SetElsewhere(7))
		require.NoError(m.t, m.d.Home())
	}
}

func (m *markers) start(fsys disk.FS, step int) (next func() error, err error) {
	if n := at(m.noted, step); n > 0 {
		if o, ok := storage.FindOpening(fsys, tableDir); !ok || o.Found != n+1 {
			return nil, fmt.Errorf("the note of opening %d is %+v", n, o)
		}
	}
	before, after := m.current(step)
	d, err := storage.OpenTableDir(fsys, tableDir, "task")
	if before == "" && err != nil { // there may be no table yet
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c := d.Current(); c != before && c != after {
		return nil, fmt.Errorf("the table is %s, which is neither %q nor %q", c, before, after)
	}
	for _, dir := range append(keptAt(m.kept, step), d.Current()) {
		if b, err := disk.ReadFile(fsys, filepath.Join(dir, "MANIFEST")); err != nil || string(b) != "whole" {
			return nil, fmt.Errorf("store %s is not whole: %q, %w", dir, b, err)
		}
	}
	return nil, m.nothingLeft(fsys)
}

// current returns what was the table for sure, and what may be it by now.
func (m *markers) current(step int) (before, after string) {
	for _, s := range m.swaps {
		if s.done <= step {
			before = s.store
		}
		if s.began <= step {
			after = s.store
		}
	}
	return before, after
}

func keptAt(kept []since[string], step int) (dirs []string) {
	for _, k := range kept {
		if k.from <= step {
			dirs = append(dirs, k.value)
		}
	}
	return dirs
}

// nothingLeft looks for stores that nobody will ever remove: what lies there is the
// table, kept, or named to go. (On this disk no store passes for a real one, so an open
// leaves it to a later one to remove it.)
func (m *markers) nothingLeft(fsys disk.FS) error {
	b, err := disk.ReadFile(fsys, filepath.Join(tableDir, "table.json"))
	if err != nil {
		return err
	}
	var mark struct {
		Current, Pending string
		Replaced         []struct{ Store string }
	}
	if err := json.Unmarshal(b, &mark); err != nil {
		return err
	}
	known := map[string]bool{mark.Current: true, mark.Pending: true}
	for _, r := range mark.Replaced {
		known[r.Store] = true
	}
	entries, err := fsys.ReadDir(filepath.Join(tableDir, "store"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !known[e.Name()] {
			return fmt.Errorf("store %s is left for ever", e.Name())
		}
	}
	return nil
}
