package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// tableFile is a table that the MANIFEST names.
type tableFile struct {
	id         uint64
	name       string
	maxVersion Version
	commits    uint64 // the highest number that a ledger in it has
	read       bool   // all of it was
}

// namedTables checks the tables that the MANIFEST names. That a table is there, and its
// footer, index and the frame of each block, is always checked: Badger ends the process
// over those. Its blocks and records are, while the budget lasts; the newest table
// first, then by lot, so that over many opens all get their turn.
func (p *precheck) namedTables() error {
	for id := range p.list.live {
		p.tables = append(p.tables, &tableFile{id: id, name: TableName(id)})
	}
	rand.Shuffle(len(p.tables), func(i, j int) { p.tables[i], p.tables[j] = p.tables[j], p.tables[i] })
	if n := len(p.tables); n > 0 {
		newest := slices.IndexFunc(p.tables, func(t *tableFile) bool {
			return t.id == slices.MaxFunc(p.tables, func(a, b *tableFile) int { return cmp.Compare(a.id, b.id) }).id
		})
		p.tables[0], p.tables[newest] = p.tables[newest], p.tables[0]
	}
	for _, t := range p.tables {
		if err := p.with(t.name, t.frame); errors.Is(err, fs.ErrNotExist) {
			return p.damage(t.name, 0, "the list of tables names the file, but it is missing")
		} else if err != nil {
			return err
		}
		p.commits = max(p.commits, t.commits)
	}
	return p.contents(p.opts.CheckBudget, p.deadline)
}

// contents checks all of the tables, until the deadline.
func (p *precheck) contents(budget time.Duration, deadline time.Time) error {
	for _, t := range p.tables {
		if budget < 0 || time.Now().After(deadline) {
			break
		}
		if t.read {
			continue
		}
		err := p.with(t.name, func(f *os.File, size int64) error { return p.whole(f, size, deadline) })
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return err
		}
		t.read = true
	}
	return nil
}

// whole checks all of a table, and keeps what it needs of the value log.
func (p *precheck) whole(f *os.File, size int64, deadline time.Time) error {
	sum, err := CopyTable(until(deadline), f, size)
	for file, end := range sum.Logs {
		p.logs[file] = max(p.logs[file], end)
	}
	return err
}

// until ends what is written to it when the time has come.
type until time.Time

var errEnough = errors.New("the time for the check is over")

func (u until) Write(b []byte) (int, error) {
	if time.Now().After(time.Time(u)) {
		return 0, errEnough
	}
	return len(b), nil
}

// frame checks what Badger relies on before, or while, it checks a table: the footer,
// the index and its checksum, that blocks fill the file, each block's trailer, and all
// of the last block, of which Badger takes the last key at once. It also looks into the
// blocks that may hold ledgers, which are few, for the number of the last commit.
func (t *tableFile) frame(f *os.File, size int64) (err error) {
	c := &tableCheck{source: source{r: f, size: size}, w: io.Discard}
	c.sum.Logs = map[uint32]int64{}
	defer func() {
		if p := recover(); p != nil { // from the index: flatbuffers do not check bounds
			err = c.damage(c.at, "the index cannot be read: "+fmt.Sprint(p))
		}
	}()
	if err := c.readIndex(); err != nil {
		return err
	}
	t.maxVersion = c.index.maxVersion
	c.each = t.ledger
	for i := range c.index.blocks {
		_, length, err := c.index.group(i, c.at, 0)
		if err != nil {
			return c.damage(c.at, err.Error())
		}
		if err := c.trailer(c.at, int64(length)); err != nil {
			return err
		}
		if b := c.index.block(i); i == c.index.blocks-1 || mayHoldLedgers(b.key, c.index.block(i+1).key) {
			if err := c.readBlock(b); err != nil {
				return err
			}
		}
		c.at += int64(length)
	}
	if c.at != c.index.end {
		return c.damage(c.at, "the blocks do not reach the index")
	}
	return nil
}

// mayHoldLedgers says so of a block that begins with one key, and the next with the other.
func mayHoldLedgers(first, next []byte) bool {
	return string(next) >= string(ledgerPrefix) && string(first[:min(len(first), len(ledgerPrefix))]) <= string(ledgerPrefix)
}

func (t *tableFile) ledger(full []byte, _ Version, value storedValue) {
	if bytes.HasPrefix(full, ledgerPrefix) && value.meta&(bitDelete|bitValuePointer) == 0 {
		if l, problem := DecodeLedger(value.bytes); problem == "" {
			t.commits = max(t.commits, l.Commits)
		}
	}
}

func (c *tableCheck) readBlock(b tableBlock) error {
	c.group = grow(c.group, int(b.length))
	if err := c.read(c.group, c.at); err != nil {
		return err
	}
	return c.block(c.group, b.key)
}

// trailer checks that a block's own lengths stay within it:
//
//	entries | offset of each, 4 | their number, 4 | checksum | its length, 4
func (c *tableCheck) trailer(at, length int64) error {
	const most = 4 + 11 + 4
	c.group = grow(c.group, int(min(most, length)))
	b := c.group
	if err := c.read(b, at+length-int64(len(b))); err != nil {
		return err
	}
	rest, _, ok := splitSum(b)
	if !ok || len(rest) < 4 {
		return c.damage(at, "a block does not end like one")
	}
	tail := int64(len(b) - len(rest))
	if n := int64(binary.BigEndian.Uint32(rest[len(rest)-4:])); n == 0 || 4*n+4+tail > length {
		return c.damage(at, "a block has not as many entries as it says")
	}
	return nil
}
