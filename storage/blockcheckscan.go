package storage

import (
	"bytes"
	"container/heap"
	"errors"
	"sort"

	"github.com/dgraph-io/badger/v4"
)

// scanCheck checks the blocks that a scan goes by, as it comes to them.
type scanCheck struct {
	g       *blockCheck
	set     *tableSet
	reverse bool
	since   Version // tables that have nothing as new are not read
	from    []byte  // checked up to here, without a version; nil: nothing yet, and the scan begins at the end
	left    cursors
}

// cursor is how far a table is checked.
type cursor struct {
	t     *openTable
	next  int    // the block to check; -1: the table's first, or last downwards, of an index that is not read yet
	bound []byte // the scan passes by that block once it is here
}

// scan is for one iterator, that is open already: it holds the tables which it reads.
func (g *blockCheck) scan(from []byte, o badger.IteratorOptions) *scanCheck {
	return &scanCheck{g: g, reverse: o.Reverse, since: Version(o.SinceTs), from: bytes.Clone(from)}
}

// to checks what lies between where the scan was and the key, nil for the end.
func (c *scanCheck) to(key []byte) error {
	for {
		err := c.advance(key)
		if !errors.Is(err, errTableGone) {
			return err
		}
		gone := c.set
		c.end()
		c.set = c.g.hold(gone)
		c.left = cursors{}
	}
}

// end lets go of the tables.
func (c *scanCheck) end() {
	if c.set != nil {
		c.g.release(c.set)
		c.set = nil
	}
}

func (c *scanCheck) advance(key []byte) error {
	if c.set == nil {
		c.set = c.g.hold(nil)
	}
	if c.left.order == nil {
		if err := c.begin(); err != nil {
			return err
		}
	}
	for len(c.left.list) > 0 && c.reaches(key, c.left.list[0].bound) {
		c.from = append(c.from[:0], c.left.list[0].bound...) // from here on, should a table go
		if err := c.step(&c.left.list[0]); err != nil {
			return err
		}
	}
	c.from = append(c.from[:0], key...)
	return nil
}

// reaches says whether a scan that has come to the key passes by a block with the bound.
func (c *scanCheck) reaches(key, bound []byte) bool {
	return key == nil || c.left.order(key, bound) >= 0
}

// begin places a cursor in each table that the scan has before it.
func (c *scanCheck) begin() error {
	c.left.order = bytes.Compare
	if c.reverse {
		c.left.order = func(a, b []byte) int { return bytes.Compare(b, a) }
	}
	c.left.list = nil
	for _, tables := range c.set.levels {
		for _, t := range tables {
			near, far := t.first, t.last
			if c.reverse {
				near, far = far, near
			}
			at := cursor{t: t, next: -1, bound: near}
			switch {
			case t.newest < c.since:
				continue
			case len(c.from) == 0 || c.left.order(c.from, near) <= 0:
			case c.left.order(c.from, far) > 0:
				continue
			default:
				x, err := c.g.indexOf(t)
				if err != nil {
					return err
				}
				at.next, at.bound = c.find(x), bytes.Clone(c.from)
			}
			c.left.list = append(c.left.list, at)
		}
	}
	heap.Init(&c.left)
	return nil
}

// find returns the block in which the scan begins.
func (c *scanCheck) find(x *tableIndex) int {
	i := sort.Search(x.blocks, func(i int) bool {
		order := bytes.Compare(x.first(i), c.from)
		return order > 0 || order == 0 && !c.reverse
	})
	return max(i-1, 0)
}

// step checks the block of the nearest cursor, and moves that on.
func (c *scanCheck) step(at *cursor) error {
	x, err := c.g.indexOf(at.t)
	if err != nil {
		return err
	}
	if x.blocks == 0 {
		heap.Pop(&c.left)
		return nil
	}
	if at.next < 0 && c.reverse {
		at.next = x.blocks - 1
	} else if at.next < 0 {
		at.next = 0
	}
	if err := c.g.block(at.t, x, at.next, nil); err != nil {
		return err
	}
	done := at.next+1 == x.blocks
	if c.reverse {
		// Of the block before only this is known: that it ends at or below this one's first key.
		done, at.bound = at.next == 0, x.first(at.next)
		at.next--
	} else if !done {
		at.next++
		at.bound = x.first(at.next)
	}
	if done {
		heap.Pop(&c.left)
	} else {
		heap.Fix(&c.left, 0)
	}
	return nil
}

// first returns the key, without its version, with which the i-th block begins.
func (x *tableIndex) first(i int) []byte {
	k := x.block(i).key
	return k[:max(len(k)-8, 0)]
}

// cursors is a heap, the one that the scan comes to first on top.
type cursors struct {
	order func(a, b []byte) int
	list  []cursor
}

func (c *cursors) Len() int           { return len(c.list) }
func (c *cursors) Less(i, j int) bool { return c.order(c.list[i].bound, c.list[j].bound) < 0 }
func (c *cursors) Swap(i, j int)      { c.list[i], c.list[j] = c.list[j], c.list[i] }
func (c *cursors) Push(x any)         { c.list = append(c.list, x.(cursor)) }
func (c *cursors) Pop() any {
	last := c.list[len(c.list)-1]
	c.list = c.list[:len(c.list)-1]
	return last
}
