package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/app"
)

// client does one thing after another to a table.
type client struct {
	id     int
	table  int
	on     *app.Table
	rng    *rand.Rand
	h      *history
	values *atomic.Uint32  // the last that was written
	closed <-chan struct{} // the hub ends
	saw    [keys]uint64    // versions, for conditions
	hurry  bool            // now and then it does not wait for an answer
}

func key(k int) []byte { return strconv.AppendInt([]byte("key-"), int64(k), 10) }

// run does n things, and then looks at all of the table.
func (c *client) run(ctx context.Context, n int) {
	for range n {
		if !c.do(ctx, c.makeUp()) {
			return
		}
	}
	c.do(ctx, input{Table: c.table, Kind: scan})
}

func (c *client) makeUp() input {
	in := input{Table: c.table, Kind: get, Key: c.rng.IntN(keys)}
	switch p := c.rng.IntN(20); {
	case p < 6:
	case p < 8:
		in.Kind = scan
	case p < 9:
		in.Kind = count
	default:
		in.Kind = write
		taken := c.rng.Perm(keys)
		n := 1
		if c.rng.IntN(4) == 0 {
			n = 2 + c.rng.IntN(keys-1)
		}
		for _, k := range taken[:n] {
			in.Batch = append(in.Batch, c.change(k))
		}
	}
	return in
}

func (c *client) change(k int) change {
	out := change{Key: k}
	if c.rng.IntN(5) > 0 {
		out.Val = c.values.Add(1)
	}
	switch p := c.rng.IntN(10); {
	case p < 1 && out.Val > 0:
		out.IfAbsent = true
	case p < 4:
		out.IfVersion = c.saw[k]
	}
	return out
}

// do does one thing and takes down what came of it; false when the hub ends.
func (c *client) do(ctx context.Context, in input) bool {
	if c.hurry && in.Kind == write && c.rng.IntN(25) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.rng.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	id := c.h.begin(c.id, in)
	out, err := c.ask(ctx, in)
	if err != nil {
		out.Status, out.Error = outcome(err), err.Error()
	}
	c.h.end(id, out)
	if err == nil || !errors.Is(err, app.ErrUnavailable) && !errors.Is(err, app.ErrClosed) {
		return true
	}
	again := time.NewTimer(5 * time.Millisecond) // the table is being opened
	defer again.Stop()
	select {
	case <-c.closed:
		return false
	case <-again.C:
		return true
	}
}

// outcome is what an error says about a write; see actors.TableRef.Apply.
func outcome(err error) string {
	switch {
	case errors.Is(err, app.ErrUnknownOutcome):
		return unknown
	case errors.Is(err, app.ErrConflict):
		return conflict
	case errors.Is(err, app.ErrUnavailable), errors.Is(err, app.ErrClosed), errors.Is(err, app.ErrOverloaded), errors.Is(err, context.DeadlineExceeded):
		return refused
	}
	panic(fmt.Sprintf("an error that a sound table has no reason for: %v", err))
}

func (c *client) ask(ctx context.Context, in input) (out output, err error) {
	out.Status = done
	switch in.Kind {
	case get:
		rec, err := c.on.Get(ctx, key(in.Key))
		if err != nil && !errors.Is(err, app.ErrNotFound) {
			return out, err
		}
		if err == nil {
			out.Cells[in.Key] = c.cell(rec)
		}
	case scan:
		for rec, err := range c.on.Scan(ctx, app.Range{}) {
			if err != nil {
				return out, err
			}
			k, err := strconv.Atoi(string(rec.Key[len("key-"):]))
			if err != nil || k >= keys {
				panic(fmt.Sprintf("key %q was never written", rec.Key))
			}
			out.Cells[k] = c.cell(rec)
		}
	case count:
		out.Count, err = c.on.Count(ctx)
		return out, err
	case write:
		v, err := c.on.Apply(ctx, batch(in.Batch))
		out.Version = uint64(v)
		return out, err
	}
	for k := range keys {
		if v := out.Cells[k].Ver; v > 0 {
			c.saw[k] = v
		}
	}
	return out, nil
}

func (c *client) cell(r app.Record) cell {
	n, err := strconv.ParseUint(string(r.Value), 10, 32)
	if err != nil {
		panic(fmt.Sprintf("value %q was never written", r.Value))
	}
	return cell{uint32(n), uint64(r.Version)}
}

func batch(changes []change) (b app.Batch) {
	for _, c := range changes {
		op := app.Op{Key: key(c.Key), IfAbsent: c.IfAbsent, IfVersion: app.Version(c.IfVersion), Delete: c.Val == 0}
		if c.Val > 0 {
			op.Value = strconv.AppendUint(nil, uint64(c.Val), 10)
		}
		b = append(b, op)
	}
	return b
}
