package power

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/test/extent"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

var (
	hubLives = flag.Int("hub-lives", extent.Few(1, 3), "how many hubs live until a power cut")
	hubDisks = flag.Int("hub-disks", 2, "in how many ways the cut leaves the disk of each")
	hubSeed  = flag.Uint64("hub-seed", 1, "seed of the first hub")
)

// Hubs live: they write, back up, restore, compact, drill, change credentials. The power
// goes behind some step of what Brock writes, and a hub opens on what is left, with
// Badger's files as they were. It starts, serves all that was acknowledged, verifies,
// backs up and restores.
func TestPowerHub(t *testing.T) {
	template := t.TempDir()
	most := hubLife(t, template, 0, 0, false).rec.Steps()
	later := 0
	cut, disks := 0, 0
	for seed := *hubSeed; seed < *hubSeed+uint64(*hubLives); seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		fresh := seed%4 == 0 // the first start's steps are few, and matter
		dir, steps := t.TempDir(), most
		if !fresh {
			require.NoError(t, copyTree(template, dir))
			if later == 0 {
				trial := t.TempDir()
				require.NoError(t, copyTree(template, trial))
				later = hubLife(t, trial, seed, 0, true).rec.Steps()
			}
			steps = later
		}
		h := hubLife(t, dir, seed, 1+rng.IntN(steps), !fresh)
		cut++
		for i := range *hubDisks {
			c := disktest.Cut{Step: h.rec.Steps(), Keep: []int{rng.IntN(101), 0, 100}[i%3], Seed: rng.Uint64()}
			require.NoError(t, h.after(c, rng), "hub %d, fresh %v: %v after\n%s\nrepeat: -run TestPowerHub -args -hub-seed %d -hub-lives 1 (goroutines make it another one now and then)",
				seed, fresh, c, h.did, seed)
			disks++
		}
		require.NoError(t, os.RemoveAll(dir))
		if cut%50 == 0 {
			t.Logf("%d hubs so far", cut)
		}
	}
	t.Logf("%d hubs lived until a power cut, %d disks were left (first seed %d): each hub started and had all that was acknowledged", cut, disks, *hubSeed)
}

// livingHub is a hub whose own files are recorded, and what it told.
type livingHub struct {
	t    *testing.T
	dir  string
	rec  *disktest.Recorder
	rng  *rand.Rand
	hub  *app.Hub
	did  string
	runs []string
	last app.Version // the highest that a write was acknowledged at

	task   map[string]string   // acknowledged, and never taken back
	rolled []map[string]string // what this table may be: it is restored
}

func (h *livingHub) config(dir string, fsys disk.FS) app.Config {
	c := app.Config{Data: filepath.Join(dir, "data"), Vault: filepath.Join(dir, "vault"), Tables: []string{"task", "rolled"}, Keep: 2, MinFree: -1,
		Schedule: "off", Offline: true, LogInterval: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
	c.Hooks.FS = fsys
	return c
}

// foreign are the stores, which are Badger's, and scratch.
func foreign(dir string) func(string) bool {
	return func(name string) bool {
		rel, err := filepath.Rel(filepath.Join(dir, "data"), name)
		if err != nil {
			return false
		}
		store, _ := filepath.Match("tables/*/store/*", rel)
		scratch, _ := filepath.Match("scratch/*", rel)
		return store || scratch
	}
}

// hubLife opens a hub on the folder and lets it live until the step, or in order to its
// end where that is 0.
func hubLife(t *testing.T, dir string, seed uint64, stopAt int, old bool) *livingHub {
	t.Helper()
	grave := filepath.Join(dir, "grave")
	require.NoError(t, os.MkdirAll(grave, 0o700))
	data, vault := filepath.Join(dir, "data"), filepath.Join(dir, "vault")
	rec, err := disktest.Record(disk.Below(data, vault), disktest.Options{Foreign: foreign(dir), Grave: grave}, data, vault)
	require.NoError(t, err)
	rec.StopAt(stopAt)
	h := &livingHub{t: t, dir: dir, rec: rec, rng: rand.New(rand.NewPCG(seed, 2)), task: map[string]string{}, rolled: []map[string]string{{}}}
	if old { // what the template's life leaves behind
		for i := range 6 {
			h.task[fmt.Sprint("template-", i)], h.rolled[0][fmt.Sprint("template-", i)] = fmt.Sprint(i), fmt.Sprint(i)
		}
	}
	hub, err := app.Open(ctx, h.config(dir, rec))
	if h.off(err) && err != nil {
		return h
	}
	h.hub = hub
	if !old {
		for i := range 6 {
			for _, name := range []string{"task", "rolled"} {
				h.put(name, fmt.Sprint("template-", i), fmt.Sprint(i))
			}
		}
		h.backup()
	} else {
		for range 12 {
			h.something()
		}
	}
	err = hub.Close(ctx)
	require.True(t, err == nil || rec.Off(), "%v", err)
	return h
}

// off says whether the power is off; no other error is expected.
func (h *livingHub) off(err error) bool {
	h.t.Helper()
	if err != nil {
		require.True(h.t, h.rec.Off(), "the power is on: %v; after %s", err, h.did)
	}
	return h.rec.Off()
}

func (h *livingHub) something() {
	if h.rec.Off() {
		return
	}
	switch h.rng.IntN(9) {
	case 0, 1, 2:
		h.put("task", fmt.Sprint("key-", h.rng.IntN(20)), fmt.Sprint(h.rng.Uint64()))
	case 3:
		h.put("rolled", fmt.Sprint("key-", h.rng.IntN(20)), fmt.Sprint(h.rng.Uint64()))
	case 4, 5:
		h.backup()
	case 6:
		h.restore()
	case 7:
		h.did += " compact"
		_, err := h.hub.Compact(ctx)
		h.off(err)
	case 8:
		h.did += " rotate, drill"
		err := h.hub.RotateCredentials(ctx)
		if !h.off(err) {
			_, err = h.hub.Drill(ctx)
			h.off(err)
		}
	}
}

func (h *livingHub) put(table, key, value string) {
	if h.rec.Off() {
		return
	}
	h.did += " put-" + table
	tb, err := h.hub.Table(table)
	require.NoError(h.t, err)
	v, err := tb.Put(ctx, []byte(key), []byte(value))
	if err != nil { // its outcome may be unknown, so the key is not held to it
		require.True(h.t, h.rec.Off(), "%v", err)
		if table == "task" {
			delete(h.task, key)
			return
		}
		h.rolled = append(h.rolled, with(h.rolled[len(h.rolled)-1], key, value))
		return
	}
	if h.last = max(h.last, v); table == "task" {
		h.task[key] = value
		return
	}
	for i := range h.rolled {
		h.rolled[i] = with(h.rolled[i], key, value)
	}
}

func with(m map[string]string, key, value string) map[string]string {
	out := map[string]string{key: value}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func (h *livingHub) backup() {
	if h.rec.Off() {
		return
	}
	h.did += " backup"
	run, err := h.hub.Backup(ctx)
	if err == nil {
		h.runs = append(h.runs, run.ID)
	}
	h.off(err)
}

// restore takes the table back to a moment: after it, it is what it was then; when the
// power goes on the way, perhaps.
func (h *livingHub) restore() {
	h.did += " restore"
	tb, err := h.hub.Table("rolled")
	require.NoError(h.t, err)
	v, err := tb.Put(ctx, []byte("mark"), []byte("here"))
	if h.off(err) && err != nil {
		h.rolled = append(h.rolled, with(h.rolled[len(h.rolled)-1], "mark", "here"))
		return
	}
	h.last = max(h.last, v)
	here := with(h.rolled[len(h.rolled)-1], "mark", "here")
	h.rolled = []map[string]string{here}
	h.put("rolled", "mark", "later")
	if h.rec.Off() {
		return
	}
	h.rolled = append(h.rolled, here)
	_, err = h.hub.Restore(ctx, app.RestoreRequest{Tables: []string{"rolled"}, At: fmt.Sprint(v)})
	if err == nil {
		h.rolled = []map[string]string{here}
	}
	h.off(err)
}
