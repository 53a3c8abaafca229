package app

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage"
)

// cursors are scans that clients fetch in pieces. Each reads at one version, so it
// holds a lease; one that nobody asks for in a while is ended.
type cursors struct {
	wall actors.Wall
	mu   sync.Mutex
	open map[string]*cursor
	gone bool
}

const (
	cursorsMost = 64
	cursorIdle  = 5 * time.Minute // somebody may be reading what came in a pager
)

type cursor struct {
	id     string
	table  string
	format string
	next   func() (storage.Record, error, bool)
	stop   func()
	free   func()
	timer  interface{ Stop() bool }
}

// What a scan gives.
const (
	formatLines  = "jsonl"  // the default
	formatBadger = "badger" // a backup of stock Badger
)

func newCursors(wall actors.Wall) *cursors {
	return &cursors{wall: wall, open: map[string]*cursor{}}
}

// begin opens a cursor over a scan of the table. free is called when it ends, also
// where it cannot begin.
func (c *cursors) begin(table, format string, scan iter.Seq2[storage.Record, error], free func()) (*cursor, error) {
	id := make([]byte, 12)
	_, _ = rand.Read(id) // crypto/rand never fails
	cur := &cursor{id: hex.EncodeToString(id), table: table, format: format, free: free}
	cur.next, cur.stop = iter.Pull2(scan)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || len(c.open) >= cursorsMost {
		cur.release()
		return nil, fmt.Errorf("table %s: %w: %d scans are open; try again later", table, ErrOverloaded, len(c.open))
	}
	return cur, nil // to be put among the open ones when it has a next piece
}

// take removes the cursor from the open ones while a piece is read.
func (c *cursors) take(id string) (*cursor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.open[id]
	if cur == nil {
		return nil, fmt.Errorf("%w: cursor %.40q is not open: it ended, or nobody asked for %s; scan again", ErrInvalid, id, cursorIdle)
	}
	delete(c.open, id)
	if cur.timer != nil {
		cur.timer.Stop()
	}
	return cur, nil
}

// put gives a cursor back for the next piece.
func (c *cursors) put(cur *cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		cur.release()
		return
	}
	c.open[cur.id] = cur
	cur.timer = c.wall.AfterFunc(cursorIdle, func() {
		if cur, err := c.take(cur.id); err == nil {
			cur.release()
		}
	})
}

// close ends all cursors, and every one that is given back later.
func (c *cursors) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for id, cur := range c.open {
		if cur.timer != nil {
			cur.timer.Stop()
		}
		cur.release()
		delete(c.open, id)
	}
}

func (c *cursor) release() {
	c.stop()
	c.free()
}

// pieceBytes is about how many bytes of lines one piece has.
const pieceBytes = 1 << 20

// piece reads the next records; done says that the scan has ended.
func (c *cursor) piece() (out scanReply, done bool, err error) {
	var lines []byte
	var stream bytes.Buffer
	stock := storage.NewStockWriter(&stream)
	for size := 0; size < pieceBytes && !done; {
		rec, err, more := c.next()
		switch {
		case err != nil:
			return out, true, err
		case !more:
			done = true
		case c.format == formatBadger:
			err = stock.Add(rec)
			size += len(rec.Key) + len(rec.Value)
		default:
			lines = append(appendLine(lines, c.table, rec), '\n')
			size = len(lines)
		}
		if err != nil {
			return out, true, fmt.Errorf("table %s: %w", c.table, err)
		}
	}
	if err := stock.Flush(); err != nil {
		return out, true, err
	}
	return scanReply{Lines: string(lines), Stream: stream.Bytes()}, done, nil
}
