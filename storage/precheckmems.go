package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// memories reads the logs of memtables, the oldest first, and judges each.
//
// Badger reads one up to the first entry that is not whole, and cuts off the rest. The
// last commit may be torn by a crash. Nothing else can: there is one commit at a time,
// and the next begins when all of the one before is synced. So the end of a transaction
// that the witness has seen, or more than one of them, behind a broken entry, is damage
// in the middle; and so is anything behind one in a log that is not the newest.
func (p *precheck) memories() error {
	names, err := p.names(".mem")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := strconv.ParseUint(strings.TrimSuffix(name, ".mem"), 10, 31); err != nil {
			return p.damage(name, 0, "the file has no name of a memtable's log; take it away")
		}
	}
	slices.SortFunc(names, func(a, b string) int { return memID(a) - memID(b) })
	for _, name := range names {
		if err := p.with(name, func(f *os.File, size int64) error { return p.memory(name, f, size) }); err != nil {
			return err
		}
	}
	last := p.commits
	for i, m := range p.mems {
		if m.chain.hole || last > 0 && m.chain.first > last+1 {
			return p.damage(m.name, 0, fmt.Sprintf("commits are missing between commit %d and those in this log", last))
		}
		last = max(last, m.chain.last)
		newest := !slices.ContainsFunc(p.mems[i+1:], func(n *memFile) bool { return n.last > 0 })
		if err := p.judge(m, newest); err != nil {
			return err
		}
	}
	return nil
}

func memID(name string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(name, ".mem"))
	return n
}

func (p *precheck) memory(name string, f *os.File, size int64) error {
	s := &source{r: f, size: size}
	if size > maxMemBytes {
		return s.damage(0, "the log of a memtable is larger than one can be")
	}
	m := &memFile{name: name}
	var err error
	if m.data, err = s.used(); err != nil {
		return err
	}
	if size < logHeadBytes {
		d := s.damage(0, "the log of a memtable is cut short").(*DamageError)
		d.Err = ErrTailLost
		if p.opts.LostTail {
			return nil
		}
		return d
	}
	if binary.BigEndian.Uint64(m.data) != 0 {
		return s.damage(0, "the log of a memtable says that it is encrypted")
	}
	m.read()
	p.mems = append(p.mems, m)
	return nil
}

// judge says what is lost with the end of a log, and cuts it off where that is nothing
// that was acknowledged.
func (p *precheck) judge(m *memFile, newest bool) error {
	torn := slices.ContainsFunc(m.data[m.end:], func(b byte) bool { return b != 0 })
	if !torn {
		return nil
	}
	d := p.damage(m.name, m.end, fmt.Sprintf("a record in the log of a memtable is broken, and %d commits or more after it are whole", len(m.after)))
	switch {
	case !newest:
		return d // later commits are there: no change log fills a hole
	case p.opts.LostTail:
	case len(m.after) > 1 || len(m.after) == 1 && m.after[0] <= p.seen:
		d.Err = ErrTailLost
		return d
	}
	return p.cut(m.name, m.end)
}

// cut takes the torn end off a log, as Badger would; but Badger reads lengths there
// first, and takes as much memory as they say.
func (p *precheck) cut(name string, end int64) error {
	err := os.Truncate(filepath.Join(p.dir, name), end)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
