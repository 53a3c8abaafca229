package model

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

const childVar = "BROCK_MODEL_CHILD"

// order is what a hub that is to be killed gets told.
type order struct {
	Dir    string
	Seed   uint64
	Set    settings
	Ops    int           // it dies at this operation on Brock's own files, or
	After  time.Duration // after this time
	Offset time.Duration // of its clock from the real one
}

// line is what it tells: a write or restore that begins, or, with a version, has ended.
type line struct {
	Table   string
	Batch   app.Batch
	Restore bool
	From    app.Version // of a restore
	Version app.Version // of a write
	Done    bool
	Fail    string
}

// kill lets a process of its own go on with the hub, kills it, and finds out what it
// had done.
func (w *world) kill() {
	w.h.Stop()
	pending := w.killed()
	w.h.Start()
	for name, l := range pending {
		w.settleAny(name, w.became(l))
	}
}

// became is what a table may be after what the line says.
func (w *world) became(l line) []state {
	h := w.past[l.Table]
	if l.Restore {
		return h.at(l.From)
	}
	return []state{h.now().with(l.Batch, 0)}
}

// killed returns, by table, what was not answered.
func (w *world) killed() (pending map[string]line) {
	o := order{Dir: w.h.Dir, Seed: w.rng.Uint64(), Set: w.set, Offset: time.Until(w.wall.Now()), After: time.Minute}
	o.Set.Interval = time.Duration(1+w.rng.IntN(30)) * time.Millisecond
	if w.rng.IntN(2) == 0 {
		o.Ops = 1 + w.rng.IntN(400)
	} else {
		o.After = time.Duration(w.rng.IntN(200)) * time.Millisecond
	}
	told, err := json.Marshal(o)
	require.NoError(w.t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, cmd.Start())
	pending = map[string]line{}
	in := json.NewDecoder(bufio.NewReader(out))
	for {
		var l line
		if in.Decode(&l) != nil {
			break // also where it is torn
		}
		require.Empty(w.t, l.Fail)
		w.learn(l, pending)
	}
	_ = cmd.Wait() // it was killed
	w.advance(time.Duration(w.rng.IntN(5)) * time.Second)
	return pending
}

func (w *world) learn(l line, pending map[string]line) {
	if !l.Done {
		pending[l.Table] = l
		return
	}
	delete(pending, l.Table)
	switch {
	case l.Restore && l.From > 0:
		w.past[l.Table].add(w.past[l.Table].at(l.From)[0], 0)
	case !l.Restore && l.Version > 0:
		w.past[l.Table].add(w.past[l.Table].now().with(l.Batch, l.Version), l.Version)
	}
}

// dying counts the operations of a hub on its files, and ends its process at one.
type dying struct {
	disk.FS
	left *atomic.Int64
}

func (d dying) may() {
	if d.left.Add(-1) == 0 {
		die()
	}
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (d dying) Rename(from, to string) error       { d.may(); defer d.may(); return d.FS.Rename(from, to) }
func (d dying) Remove(name string) error           { d.may(); return d.FS.Remove(name) }
func (d dying) RemoveAll(name string) error        { d.may(); return d.FS.RemoveAll(name) }
func (d dying) SyncDir(name string) error          { d.may(); return d.FS.SyncDir(name) }
func (d dying) Create(n string) (disk.File, error) { d.may(); return d.FS.Create(n) }

// shifted is the real clock at another time.
type shifted struct {
	clockwork.Clock
	by time.Duration
}

func (s shifted) Now() time.Time                  { return s.Clock.Now().Add(s.by) }
func (s shifted) Since(t time.Time) time.Duration { return s.Now().Sub(t) }
func (s shifted) Until(t time.Time) time.Duration { return t.Sub(s.Now()) }

// child is the hub that is killed.
func child(told string) {
	var o order
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := app.Config{Data: filepath.Join(o.Dir, "data"), Vault: filepath.Join(o.Dir, "vault"), Schedule: "off", MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	o.Set.apply(&c)
	c.Wall = shifted{clockwork.NewRealClock(), o.Offset}
	left := &atomic.Int64{}
	left.Store(int64(o.Ops))
	c.Hooks.FS = dying{disk.OS, left}
	time.AfterFunc(o.After, die)
	h, err := app.Open(context.Background(), c)
	v := &victim{h: h, wall: c.Wall, enc: json.NewEncoder(os.Stdout)}
	if err != nil {
		v.say(line{Fail: err.Error()})
		die()
	}
	for i, name := range tables {
		go v.live(name, rand.New(rand.NewPCG(o.Seed, uint64(i))))
	}
	for {
		if _, err := h.Backup(context.Background()); err != nil {
			v.say(line{Fail: err.Error()})
		}
		time.Sleep(20 * time.Millisecond) // so that something is to be backed up
	}
}

// victim works until it is killed.
type victim struct {
	h    *app.Hub
	wall clockwork.Clock
	mu   sync.Mutex
	enc  *json.Encoder
}

func (v *victim) say(l line) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.enc.Encode(l)
}

// live writes to a table, compacts it and restores it to what it was.
func (v *victim) live(name string, rng *rand.Rand) {
	ctx := context.Background()
	t, err := v.h.Table(name)
	var known []app.Version
	for err == nil {
		switch p := rng.IntN(60); {
		case p == 0:
			if _, err = v.h.Compact(ctx, name); waits(err) {
				err = nil
			}
		case p == 1 && len(known) > 0:
			at := known[rng.IntN(len(known))]
			v.say(line{Table: name, Restore: true, From: at})
			_, err = v.h.Restore(ctx, app.RestoreRequest{Tables: []string{name}, At: number(at)})
			v.say(line{Table: name, Restore: true, From: at, Done: true})
		default:
			b := batch(rng, v.wall.Now())
			v.say(line{Table: name, Batch: b})
			var at app.Version
			if at, err = t.Apply(ctx, b); err == nil {
				known = append(known, at)
			}
			v.say(line{Table: name, Batch: b, Version: at, Done: true})
		}
	}
	if !errors.Is(err, app.ErrClosed) {
		v.say(line{Fail: name + ": " + err.Error()})
	}
}
