package storage

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"
)

// blockCheck checks what a read went by in Badger's table files, before its answer is
// believed: each block against its checksum, and a table's index, with its filter, once
// in a second. Where the tables have something newer of a key than a get's answer, the
// indexes are checked at once: Badger's is what it finds blocks by.
//
// Badger does so when it opens a table, and not again (see badgerOptions). A bit that
// rots later can hide the newest version of a key, which Badger then answers with the
// one before: sound by its envelope, and wrong. The check reads the same pages of the
// system's cache that Badger has mapped, by pread: Badger cuts a table that it removes to
// nothing, and a mapping of it would be a SIGBUS.
type blockCheck struct {
	table, dir string
	tables     func() []badger.TableInfo
	mu         sync.Mutex // one brings the set up to date
	set        atomic.Pointer[tableSet]
}

// newBlockCheck is for an open store. One in the making is read as a whole, and held
// against its ledger, before it serves.
func newBlockCheck(s *Store) *blockCheck {
	g := &blockCheck{table: s.table, dir: s.dir, tables: s.db.Tables}
	if s.opts.making {
		g.tables = func() []badger.TableInfo { return nil }
	}
	return g
}

const (
	// tableSetEvery is how old the set of tables may be when a read begins. A table that
	// is not in it was written within that time.
	tableSetEvery = 100 * time.Millisecond
	// indexCheckEvery is how old the check of a table's index may be.
	indexCheckEvery = time.Second
)

// tableSet is the store's tables at a moment, by level, in the order of their keys (on
// level 0 these overlap).
type tableSet struct {
	at     time.Time
	levels [maxLevels][]*openTable
	users  int // scans, and one while it is the latest; of blockCheck.mu
}

// errTableGone says that a table was removed while it was checked.
var errTableGone = errors.New("table removed")

func (g *blockCheck) damage(t *openTable, at int64, problem string) error {
	return &DamageError{Table: g.table, File: t.path, Offset: at, Problem: problem + "; restore the table"}
}

// get checks what [badger.Txn.Get] goes by for the key, as of the version, and that what
// it found, a record of the version got or none (0), is the newest that there is.
func (g *blockCheck) get(key []byte, v, got Version) error {
	seek := y.KeyWithTs(key, uint64(v))
	hash := y.Hash(key)
	return g.try(func(set *tableSet) error {
		var n newest
		if err := g.lookUp(set, key, seek, hash, &n); err != nil {
			return err
		}
		if n.version <= got || got == 0 && n.deleted {
			return nil
		}
		// It is deleted, in a memtable, or Badger did not find what is in the table.
		if err := g.recheck(n.in); err != nil {
			return err
		}
		if got > 0 {
			return g.damage(n.in, 0, fmt.Sprintf("it has a record of version %d that Badger does not find", n.version))
		}
		return nil
	})
}

// lookUp checks the blocks in which the tables of the set have the key, and finds its
// newest entry.
func (g *blockCheck) lookUp(set *tableSet, key, seek []byte, hash uint32, n *newest) error {
	for level, tables := range set.levels {
		i := 0
		if level > 0 {
			i = sort.Search(len(tables), func(i int) bool { return bytes.Compare(tables[i].last, key) >= 0 })
		}
		for _, t := range tables[i:] {
			if bytes.Compare(t.first, key) > 0 {
				if level > 0 {
					break
				}
				continue
			}
			if bytes.Compare(t.last, key) < 0 {
				continue
			}
			if err := g.seek(t, seek, hash, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// seek checks the block in which a table has the key, at its version or an older one,
// which n takes.
func (g *blockCheck) seek(t *openTable, key []byte, hash uint32, n *newest) error {
	x, err := g.indexOf(t)
	if err != nil || x.blocks == 0 {
		return err
	}
	if f := x.fb.BloomFilterBytes(); len(f) > 0 && !y.Filter(f).MayContain(hash) {
		return nil
	}
	i := sort.Search(x.blocks, func(i int) bool { return y.CompareKeys(x.block(i).key, key) > 0 })
	found := false
	look := func(block []byte) {
		var scratch [128]byte
		entry, meta, ok := seekEntry(block, key, scratch[:0])
		if found = ok && y.SameKey(entry, key); found {
			n.take(t, entry, meta)
		}
	}
	if i > 0 {
		if err := g.block(t, x, i-1, look); err != nil || found {
			return err
		}
	}
	if i < x.blocks && y.SameKey(x.block(i).key, key) {
		return g.block(t, x, i, look)
	}
	return nil
}

// try runs f with the tables that there are, and once more when one of them was removed
// meanwhile.
func (g *blockCheck) try(f func(*tableSet) error) error {
	set := g.current()
	for {
		err := f(set)
		if !errors.Is(err, errTableGone) {
			return err
		}
		set = g.renew(set)
	}
}

// current returns the set, brought up to date where it is old and nobody else does so.
func (g *blockCheck) current() *tableSet {
	set := g.set.Load()
	if set != nil && time.Since(set.at) <= tableSetEvery {
		return set
	}
	if set == nil {
		g.mu.Lock()
	} else if !g.mu.TryLock() {
		return set
	}
	defer g.mu.Unlock()
	return g.renewed(set)
}

// renew replaces the set that was found old.
func (g *blockCheck) renew(old *tableSet) *tableSet {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.renewed(old)
}

func (g *blockCheck) renewed(old *tableSet) *tableSet {
	if now := g.set.Load(); now != old {
		return now
	}
	open := map[uint64]*openTable{}
	if old != nil {
		old.each(func(t *openTable) { open[t.id] = t })
	}
	set := &tableSet{at: time.Now(), users: 1}
	for _, info := range g.tables() {
		t := open[info.ID]
		if t == nil {
			t = &openTable{id: info.ID, path: filepath.Join(g.dir, TableName(info.ID)), first: y.ParseKey(info.Left),
				last: y.ParseKey(info.Right), newest: Version(info.MaxVersion)}
		}
		set.levels[info.Level] = append(set.levels[info.Level], t)
	}
	for _, tables := range set.levels[1:] {
		slices.SortFunc(tables, func(a, b *openTable) int { return bytes.Compare(a.first, b.first) })
	}
	set.each(func(t *openTable) { t.sets++ })
	g.set.Store(set)
	if old != nil {
		old.drop()
	}
	return set
}

// hold returns a set for a scan, whose tables stay open until it is released: Badger's
// iterator reads them to its end, also when a compaction has replaced them. old is one
// that was released, as a table of it was gone.
func (g *blockCheck) hold(old *tableSet) *tableSet {
	for {
		set := g.current()
		if set == old {
			set = g.renew(old)
		}
		g.mu.Lock()
		if set.users > 0 {
			set.users++
			g.mu.Unlock()
			return set
		}
		g.mu.Unlock()
	}
}

func (g *blockCheck) release(set *tableSet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	set.drop()
}

// drop closes what nobody uses any more. Who reads it without a hold finds it gone.
func (s *tableSet) drop() {
	if s.users--; s.users > 0 {
		return
	}
	s.each(func(t *openTable) {
		if t.sets--; t.sets == 0 {
			t.close()
		}
	})
}

func (s *tableSet) each(f func(*openTable)) {
	for _, tables := range s.levels {
		for _, t := range tables {
			f(t)
		}
	}
}

// close lets go of the files.
func (g *blockCheck) close() {
	if set := g.set.Load(); set != nil {
		set.each((*openTable).close)
	}
}
