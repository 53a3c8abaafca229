package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	bitTxn      = 1 << 6   // the entry is one of a transaction
	bitFinTxn   = 1 << 7   // it ends one
	maxMemBytes = 64 << 20 // Badger makes them twice the size of a memtable
)

var finKey = []byte("!badger!txn")

// memFile is the log of a memtable: what was committed and is in no table yet.
//
//	head, 20 | entries, see [source.logEntry] | zeros
//
// Each commit is a transaction of its own version, that ends with an entry of its own.
type memFile struct {
	name  string
	data  []byte
	end   int64     // of the last whole transaction
	last  Version   // of the last whole transaction
	ends  []int64   // where the entries of whole transactions begin
	after []Version // whole ends of transactions behind the first broken entry
	chain commitChain
}

// commitChain follows the numbers of commits through their ledgers: what is missing
// between two of them is found, even when the file that had it is gone.
type commitChain struct {
	first, last uint64 // of the ledgers so far; 0: there was none
	hole        bool
	now         uint64 // of the transaction at hand
	jump        bool   // it is the mark of a restore, which may jump
}

func (c *commitChain) entry(e memEntry) {
	key, v, _ := splitVersion(e.key)
	if string(key) == string(restoredKey) {
		c.jump = true
	}
	if bytes.HasPrefix(key, ledgerPrefix) && e.meta&bitDelete == 0 {
		if l, problem := DecodeLedger(e.value); problem == "" && l.Version == v {
			c.now = l.Commits
		}
	}
}

func (c *commitChain) commit() {
	if c.now > 0 {
		c.hole = c.hole || c.last > 0 && c.now > c.last+1 && !c.jump
		if c.first == 0 && !c.jump {
			c.first = c.now
		} else if c.first == 0 {
			c.first = 1 // it follows on anything
		}
		c.last = max(c.last, c.now)
	}
	c.now, c.jump = 0, false
}

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

// used reads the file without the zeros at its end, which are most of it. Some of them
// are kept: the last entry may end in zeros.
func (s *source) used() ([]byte, error) {
	const step = 128 << 10
	var b []byte
	piece, zeros := make([]byte, step), int64(0)
	for at := int64(0); at < s.size; at += step {
		piece = piece[:min(step, s.size-at)]
		if err := s.read(piece, at); err != nil {
			return nil, err
		}
		if at > 0 && !slices.ContainsFunc(piece, func(b byte) bool { return b != 0 }) {
			zeros += int64(len(piece))
			continue
		}
		b = append(append(b, make([]byte, zeros)...), piece...)
		zeros = 0
	}
	return append(b, make([]byte, min(zeros, step))...), nil
}

// read goes through the entries as Badger does.
func (m *memFile) read() {
	m.end = logHeadBytes
	var begins []int64
	txn := Version(0)
	for at := m.end; ; {
		e, ok := memEntryAt(m.data, at)
		if !ok {
			break
		}
		next := at + e.size
		switch {
		case e.meta&bitTxn != 0:
			if txn != 0 && txn != e.version {
				m.search()
				return
			}
			txn = e.version
			begins = append(begins, at)
		case e.meta&bitFinTxn != 0:
			if string(e.value) != strconv.FormatUint(uint64(txn), 10) {
				m.search()
				return
			}
			for _, at := range begins {
				e, _ := memEntryAt(m.data, at)
				m.chain.entry(e)
			}
			m.chain.commit()
			m.ends, begins = append(m.ends, begins...), begins[:0]
			m.end, m.last, txn = next, max(m.last, e.version), 0
		case txn != 0:
			m.search()
			return
		default:
			m.ends = append(m.ends, at)
			m.end, m.last = next, max(m.last, e.version)
		}
		at = next
	}
	m.search()
}

// search looks for ends of later transactions behind the last whole one.
func (m *memFile) search() {
	for at := m.end; ; {
		i := bytes.Index(m.data[at:], finKey)
		if i < 0 {
			return
		}
		at += int64(i)
		// The key follows two bytes of flags and three lengths of a byte each.
		if e, ok := memEntryAt(m.data, at-5); ok && e.meta&bitFinTxn != 0 && e.version > m.last && string(e.value) == strconv.FormatUint(uint64(e.version), 10) {
			m.after = append(m.after, e.version)
		}
		at += int64(len(finKey))
	}
}

// each calls back for every entry that Badger will take.
func (m *memFile) each(f func(full []byte, v Version)) {
	for _, at := range m.ends {
		e, _ := memEntryAt(m.data, at)
		f(e.key, e.version)
	}
}

type memEntry struct {
	meta    byte
	key     []byte // with its version
	value   []byte
	version Version
	size    int64
}

// memEntryAt reads and checks the entry at the offset.
func memEntryAt(b []byte, at int64) (e memEntry, ok bool) {
	if at < 0 || at >= int64(len(b)) {
		return e, false
	}
	b = b[at:]
	head, key, value, ok := logEntryHead(b[:min(len(b), maxEntryHead)])
	e.size = int64(head) + key + value + crc32.Size
	if !ok || e.size > int64(len(b)) {
		return e, false
	}
	data := b[:e.size-crc32.Size]
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(b[e.size-crc32.Size:]) {
		return e, false
	}
	e.meta, e.key, e.value = b[0], data[head:int64(head)+key], data[int64(head)+key:]
	_, e.version, ok = splitVersion(e.key)
	return e, ok
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
