package power

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// sickDisk is a hub on a disk that fails when it is told to.
type sickDisk struct {
	t    *testing.T
	dir  string
	tap  *disktest.Tap
	hub  *app.Hub
	met  *disktest.Call
	at   app.Version // a moment to restore to
	then map[string]string
	now  map[string]string
	n    int
	left map[string]bool // temporary names that an error left for the next start
}

func newSickDisk(t *testing.T) *sickDisk {
	dir := t.TempDir()
	h := &sickDisk{t: t, dir: dir, now: map[string]string{}, left: map[string]bool{}, tap: disktest.NewTap(disk.Below(filepath.Join(dir, "data"), filepath.Join(dir, "vault")), dir)}
	h.open()
	for range 5 {
		h.put()
	}
	_, err := h.hub.Backup(ctx)
	require.NoError(t, err)
	return h
}

func (h *sickDisk) open() {
	c := app.Config{Data: filepath.Join(h.dir, "data"), Vault: filepath.Join(h.dir, "vault"), Tables: []string{"task", "other"}, Keep: 2, MinFree: -1,
		Schedule: "off", Offline: true, LogInterval: time.Hour, Logger: slog.New(slog.DiscardHandler)}
	c.Hooks.FS = h.tap
	var err error
	h.hub, err = app.Open(ctx, c)
	require.NoError(h.t, err)
}

func (h *sickDisk) put() {
	h.n++
	key, value := fmt.Sprint("key-", h.n%7), fmt.Sprint(h.n)
	for _, name := range []string{"task", "other"} {
		tb, err := h.hub.Table(name)
		require.NoError(h.t, err)
		v, err := tb.Put(ctx, []byte(key), []byte(value))
		require.NoError(h.t, err, "table %s does not serve", name)
		if name == "task" {
			h.now = with(h.now, key, value)
			h.at, h.then = v, h.now
		}
	}
}

// serves: all tables are what they should be, and take writes.
func (h *sickDisk) serves(want map[string]string) error {
	have, err := content(h.hub, "task")
	if err == nil && !oneOf(have, []map[string]string{want}) {
		err = fmt.Errorf("the table is %v, not %v", have, want)
	}
	return err
}

// labour is what a hub is asked to do.
type labour struct {
	name  string
	prep  func(h *sickDisk)
	do    func(h *sickDisk) error
	done  func(h *sickDisk) error // what a fresh look says
	then  bool                    // it takes the table back
	stays bool                    // the error does, at that name
}

var labours = []labour{
	{name: "backup", do: func(h *sickDisk) error { _, err := h.hub.Backup(ctx); return err }, done: (*sickDisk).backedUp},
	{name: "verify", stays: true, do: func(h *sickDisk) error { _, err := h.hub.Verify(ctx); return err }, done: func(h *sickDisk) error {
		if h.met == nil || h.met.Verb == disktest.Close || h.met.Verb == disktest.Stat || !strings.HasPrefix(h.met.Path, "vault/") {
			return nil
		}
		return errors.New("verify calls good what it could not read")
	}},
	{name: "drill", prep: func(h *sickDisk) { // a run forgets old proofs
		_, err := h.hub.Backup(ctx)
		require.NoError(h.t, err)
	}, do: func(h *sickDisk) error { _, err := h.hub.Drill(ctx); return err }, done: (*sickDisk).proven},
	{name: "compaction", do: func(h *sickDisk) error { _, err := h.hub.Compact(ctx); return err }, done: func(*sickDisk) error { return nil }},
	{name: "restore", do: func(h *sickDisk) error {
		_, err := h.hub.Restore(ctx, app.RestoreRequest{Tables: []string{"task"}, At: fmt.Sprint(h.at)})
		return err
	}, done: func(*sickDisk) error { return nil }, then: true},
}

func (h *sickDisk) look() (*vault.Vault, error) {
	v, err := vault.OpenReadOnly(disk.OS, filepath.Join(h.dir, "vault"))
	if err != nil {
		return nil, err
	}
	return v, clean(v)
}

func (h *sickDisk) backedUp() error {
	v, err := h.look()
	if err != nil {
		return err
	}
	runs, _, err := v.Runs(1)
	if err != nil || len(runs) == 0 || runs[0].Status != vault.StatusComplete {
		return fmt.Errorf("the newest run is %+v: %w", runs, err)
	}
	for _, name := range []string{"task", "other"} {
		if s, err := v.Resolve(name, vault.Latest); err != nil || s.Run != runs[0].ID {
			return fmt.Errorf("the newest snapshot of table %s is %+v: %w", name, s, err)
		}
	}
	return nil
}

func (h *sickDisk) proven() error {
	v, err := h.look()
	if err != nil {
		return err
	}
	for _, name := range []string{"task", "other"} {
		if s, err := v.Resolve(name, vault.Latest); err != nil || s.ProvenAt == nil {
			return fmt.Errorf("table %s is not proven: %+v %w", name, s, err)
		}
	}
	return nil
}

// At calls of each work of a whole hub to its disk, errors: no success is false, tables
// serve on and are what they were, and the next attempt succeeds.
func TestIOErrorsHub(t *testing.T) {
	total := 0
	for _, l := range sampleOf(labours) {
		t.Run(l.name, func(t *testing.T) {
			n, left := l.all(t)
			require.Positive(t, n)
			t.Logf("%s: %d errors; %d left temporary names, which the next start removed", l.name, n, left)
			total += n
		})
	}
	t.Logf("%d errors injected into %d works of a hub: 0 false successes, tables served, each next attempt succeeded", total, len(labours))
}

// hubErrors is how many errors a hub gets before another one takes its place: each leaves
// it with a longer past, through which every restore has to read.
const hubErrors = 100

func (l labour) all(t *testing.T) (injected, left int) {
	h := newSickDisk(t)
	for i, f := range faults {
		h.put()
		h.tap.Forget()
		require.NoError(t, l.do(h))
		for _, n := range callsOf(h.tap, i) {
			h.tap.Forget()
			if !l.under(h, n, f.name, f.err) {
				break
			}
			if injected++; injected%hubErrors == 0 {
				left += h.end()
				h = newSickDisk(t)
				h.put()
				require.NoError(t, l.do(h))
			}
		}
	}
	return injected, left + h.end()
}

// end closes the hub, lets another one clear up behind it, and returns how much there was.
func (h *sickDisk) end() (left int) {
	require.NoError(h.t, h.hub.Close(ctx))
	h.open()
	require.NoError(h.t, h.hub.Close(ctx))
	require.NoError(h.t, nothingLeft(h.dir), "after the next start")
	return len(h.left)
}

func (l labour) under(h *sickDisk, n int, kind string, fault error) bool {
	h.put()
	if l.prep != nil {
		l.prep(h)
	}
	moment := h.then
	if l.then {
		at := h.at
		h.put()
		h.at = at
	}
	met := failNth(h.tap, n, fault, l.stays)
	err := l.do(h)
	h.tap.Before(nil)
	if h.met = met.Load(); h.met == nil {
		require.NoError(h.t, err)
		h.taken(l, moment)
		return false
	}
	at := fmt.Sprintf("%s, %s at call %d, %v; it said %v", l.name, kind, n, *h.met, err)
	if err == nil {
		require.NoError(h.t, l.done(h), "a false success: %s", at)
		h.taken(l, moment)
	}
	require.NoError(h.t, h.serves(h.now), at)
	_, unsound := h.look()
	require.NoError(h.t, unsound, at)
	h.temps()
	h.met = nil
	require.NoError(h.t, l.do(h), "the next attempt: %s", at)
	h.taken(l, moment)
	require.NoError(h.t, l.done(h), "after the next attempt: %s", at)
	require.NoError(h.t, h.serves(h.now), at)
	return true
}

// taken notes that a restore took the table back.
func (h *sickDisk) taken(l labour, moment map[string]string) {
	if l.then {
		h.now = moment
	}
}

func (h *sickDisk) temps() {
	require.NoError(h.t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), disk.TempPrefix) {
			h.left[path] = true
		}
		if errors.Is(err, fs.ErrNotExist) { // a store that was replaced goes meanwhile
			return nil
		}
		return err
	}))
}
