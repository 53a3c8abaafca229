package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/brockdb/brock/app"
)

// do carries out a command and tells of it.
func (c *hub) do(cmd command) {
	ctx := context.Background()
	began := time.Now()
	var result any
	var err error
	switch cmd.Do {
	case "backup":
		result, err = c.h.Backup(ctx)
	case "compact":
		result, err = c.h.Compact(ctx, cmd.Table)
	case "look":
		result, err = c.h.Restore(ctx, app.RestoreRequest{All: true, At: strconv.FormatUint(uint64(cmd.At), 10), To: cmd.To})
	case "verify":
		result, err = c.h.Verify(ctx)
	case "restore":
		result, err = c.restore(ctx, cmd)
	default:
		err = errors.New("unknown command")
	}
	if err != nil {
		c.fail(fmt.Sprintf("%+v", cmd), err)
		return
	}
	b, err := json.Marshal(result)
	if err != nil {
		c.fail(cmd.Do, err)
		return
	}
	c.say(line{Did: &cmd, Result: b, Took: time.Since(began)})
}

// restore takes a table back while its writers wait, and tells between which versions
// that was: the two at which its mark was written.
func (c *hub) restore(ctx context.Context, cmd command) (out app.Restored, err error) {
	i := tableIndex(cmd.Table)
	c.gates[i].Lock()
	defer c.gates[i].Unlock()
	b := restored{Table: i}
	if b.From, err = c.mark(ctx, i, "before"); err != nil {
		return out, err
	}
	if out, err = c.h.Restore(ctx, app.RestoreRequest{Tables: []string{cmd.Table}, At: strconv.FormatUint(uint64(cmd.At), 10)}); err != nil {
		return out, err
	}
	if b.To, err = c.mark(ctx, i, "after"); err != nil {
		return out, err
	}
	for w := i * writersOfTable; w < (i+1)*writersOfTable; w++ {
		a, err := c.head(w)
		if err != nil {
			return out, err
		}
		b.Heads = append(b.Heads, a)
	}
	c.say(line{Blur: &b})
	return out, nil
}
