package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/brockdb/brock/app"
)

const childVar = "BROCK_SOAK_CHILD"

// order is what the hub's process gets told at its start.
type order struct {
	Data, Vault string
	Rate        float64 // transactions a second, of all writers
	LogWindow   time.Duration
	Window      time.Duration // how much time one point of the picture stands for
}

// command is what it gets told later, on its standard input; an end of that is the
// command to close the hub.
type command struct {
	Do    string // backup, compact, restore, verify, or look: restore the hub into To
	Table string
	At    app.Version
	To    string
}

// line is what it tells on its standard output. Acknowledgements, which are many, are
// not in JSON: see ack.
type line struct {
	Ready    bool            `json:",omitempty"`
	Fail     string          `json:",omitempty"`
	Head     *ack            `json:",omitempty"` // of a writer, as the table has it
	Blur     *restored       `json:",omitempty"`
	Did      *command        `json:",omitempty"` // a command that has ended
	Result   json.RawMessage `json:",omitempty"`
	Took     time.Duration   `json:",omitempty"`
	Window   *window         `json:",omitempty"`
	Closed   bool            `json:",omitempty"`
	Routines int             `json:",omitempty"`
}

type ack struct {
	Writer, N int
	Version   app.Version
	Mark      app.Version // of a start: a later version, at which nothing has changed
}

// restored is a table that was taken back at some moment between two versions.
type restored struct {
	Table    int
	From, To app.Version
	Heads    []ack
}

// hub is the process under load.
type hub struct {
	h     *app.Hub
	out   *bufio.Writer
	mu    sync.Mutex // guards out
	gates [tableCount]sync.RWMutex
	lat   latencies
}

func (c *hub) say(l line) {
	b, err := json.Marshal(l)
	if err != nil {
		b = fmt.Appendf(nil, `{"Fail":%q}`, err)
	}
	c.write(append(b, '\n'))
}

func (c *hub) write(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.out.Write(b) // where nobody listens, nobody needs it
	_ = c.out.Flush()
}

func (c *hub) fail(what string, err error) { c.say(line{Fail: what + ": " + err.Error()}) }

// child serves a hub and loads it until its standard input ends.
func child(told string) {
	c := &hub{out: bufio.NewWriter(os.Stdout)}
	var o order
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		c.fail("order", err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	app.RaiseProcs() // as brock serve does
	began := time.Now()
	cfg := app.Config{Data: o.Data, Vault: o.Vault, Schedule: "off", LogWindow: o.LogWindow, Logger: slog.New(slog.DiscardHandler), CompactEvery: -1}
	for i := range tableCount {
		cfg.Tables = append(cfg.Tables, tableName(i))
	}
	var err error
	if c.h, err = app.Open(ctx, cfg); err != nil {
		c.fail("open", err)
		return
	}
	c.say(line{Ready: true, Took: time.Since(began)})
	if err := c.work(ctx, stop, o); err != nil {
		c.fail("work", err)
	}
	if err := c.h.Close(context.Background()); err != nil {
		c.fail("close", err)
	}
	c.say(line{Closed: true})
}

func (c *hub) work(ctx context.Context, stop func(), o order) error {
	var writers sync.WaitGroup
	c.lat.since = time.Now()
	for w := range writerCount {
		a, err := c.head(w)
		if err == nil {
			a.Mark, err = c.mark(ctx, tableOf(w), "start")
		}
		if err != nil {
			return err
		}
		c.say(line{Head: &a})
		writers.Go(func() { c.live(ctx, w, a.N, o.Rate/writerCount) })
	}
	writers.Go(func() { c.tell(ctx, o.Window) })
	var commands sync.WaitGroup
	for in := json.NewDecoder(bufio.NewReader(os.Stdin)); ; {
		var cmd command
		if in.Decode(&cmd) != nil {
			break
		}
		commands.Go(func() { c.do(cmd) })
	}
	commands.Wait()
	stop()
	writers.Wait()
	return nil
}

// head reads how far a writer has come.
func (c *hub) head(w int) (ack, error) {
	a := ack{Writer: w}
	t, err := c.h.Table(tableName(tableOf(w)))
	if err != nil {
		return a, err
	}
	r, err := t.Get(context.Background(), headKey(w))
	if errors.Is(err, app.ErrNotFound) {
		return a, nil
	}
	if err == nil {
		a.Version = r.Version
		a.N, err = strconv.Atoi(string(r.Value))
	}
	return a, err
}

// mark writes into a table what belongs to no writer.
func (c *hub) mark(ctx context.Context, table int, text string) (app.Version, error) {
	t, err := c.h.Table(tableName(table))
	if err != nil {
		return 0, err
	}
	return t.Put(ctx, markKey, []byte(text))
}

// live commits a writer's transactions at its pace. One that has fallen behind counts
// from when its transaction was due: a store that stops for a second was slow for all
// that should have been written meanwhile.
func (c *hub) live(ctx context.Context, w, n int, rate float64) {
	every := time.Duration(float64(time.Second) / rate)
	gate := &c.gates[tableOf(w)]
	t, err := c.h.Table(tableName(tableOf(w)))
	for due := time.Now().Add(every * time.Duration(w) / writerCount); err == nil && ctx.Err() == nil; due = due.Add(every) {
		from := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			from = time.Now() // sleep's own lateness is not the store's
		}
		if !gate.TryRLock() { // its table is being taken back, which is no slowness
			gate.RLock()
			due = time.Now()
			from = due
			var a ack
			if a, err = c.head(w); err != nil {
				break
			}
			n = a.N
		}
		n++
		var v app.Version
		if v, err = t.Apply(context.Background(), batch(w, n)); err == nil {
			c.lat.add(time.Since(from))
			c.write(fmt.Appendf(nil, "%d %d %d\n", w, n, v))
		}
		gate.RUnlock()
	}
	if err != nil {
		c.fail(fmt.Sprintf("writer %d at %d", w, n), err)
	}
}

// tell sends a window of figures now and then.
func (c *hub) tell(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w := c.lat.take()
			if log := c.h.Health(ctx).ChangeLog; log != nil {
				w.LagMS, w.Waiting = log.BehindMS, log.WaitingBytes
			}
			c.say(line{Window: &w, Routines: runtime.NumGoroutine()})
		}
	}
}
