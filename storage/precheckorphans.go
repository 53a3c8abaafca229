package storage

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// orphans judges the tables in the folder that the MANIFEST does not name: Badger
// deletes them. A crash leaves such tables, and loses nothing with them; a MANIFEST
// that lost its end leaves them as well, and with them goes what they hold. The shape of
// the MANIFEST's end cannot tell the two apart: it may be cut exactly between two sets
// of changes. What the tables hold can.
//
// Badger makes a table, syncs it, appends to the MANIFEST and syncs that, and only then
// removes what the table was made of: a .mem, or other tables. So a table whose set of
// changes did not get into the MANIFEST, wholly or in part, is beside its sources: each
// of its entries is in a .mem, or in a table that the MANIFEST names. The tables that a
// compaction has read are deleted after it; those the MANIFEST has named before, and
// says so. And a table that is not whole was being written.
//
// So data is lost if, and only if, a whole table that the MANIFEST never named has an
// entry that is nowhere else. This costs a pass over the tables, but only after a crash
// within a flush or a compaction.
//
// One case is left: after ten thousand deletions Badger writes the MANIFEST anew, and it
// no longer names what was deleted before. Such tables stay for as long as a backup or a
// scan reads them, and with them what compactions dropped. Then only entries newer than
// all others count; a flush that is missing further back shows in the number of commits.
func (p *precheck) orphans() error {
	lost, file, err := p.orphaned()
	if err != nil || len(lost) == 0 {
		return err
	}
	drop := func(full []byte) { delete(lost, xxh3.Hash(full)) }
	top := Version(0)
	for _, m := range p.mems {
		m.each(func(key []byte, v Version) { drop(key); top = max(top, v) })
	}
	for _, t := range p.tables {
		top = max(top, t.maxVersion)
		if len(lost) == 0 {
			return nil
		}
		if err := p.with(t.name, func(f *os.File, size int64) error {
			return eachKey(f, size, func(full []byte, _ Version) { drop(full) })
		}); err != nil {
			return err
		}
	}
	old := false // an entry that is not at the tail
	for h, v := range lost {
		if v <= top && p.list.first > 0 {
			delete(lost, h)
		} else if v <= top {
			old = true
		}
	}
	return p.orphanDamage(len(lost), file, old)
}

func (p *precheck) orphanDamage(n int, file string, old bool) error {
	if n == 0 {
		return nil
	}
	d := p.damage("MANIFEST", p.list.end, fmt.Sprintf("the list of tables has lost its end: %d entries are in %s only, which it does not name and Badger would delete", n, file))
	if old {
		return d
	}
	if p.opts.LostTail {
		return nil
	}
	d.Err = ErrTailLost
	return d
}

// orphaned returns what is in tables that the MANIFEST never named, as far as they are
// whole, and one of them.
func (p *precheck) orphaned() (map[uint64]Version, string, error) {
	names, err := p.names(".sst")
	if err != nil {
		return nil, "", err
	}
	all, file := map[uint64]Version{}, ""
	for _, name := range names {
		id, ok := tableID(name)
		if !ok {
			continue // nor does Badger take it for one
		}
		if id == 0 || TableName(id) != name {
			return nil, "", p.damage(name, 0, "the file has no name of a table; take it away")
		}
		if p.list.named[id] {
			continue
		}
		found := map[uint64]Version{}
		err = p.with(name, func(f *os.File, size int64) error {
			return eachKey(f, size, func(full []byte, v Version) { found[xxh3.Hash(full)] = v })
		})
		if isDamage(err) {
			continue // it was being written
		}
		if err != nil {
			return nil, "", err
		}
		file = name
		for h, v := range found {
			all[h] = v
		}
	}
	return all, file, nil
}

// tableID is the id in a table's name, as Badger reads it; 0 is none that it gives.
func tableID(name string) (id uint64, ok bool) {
	n, err := strconv.Atoi(strings.TrimSuffix(name, ".sst"))
	return uint64(max(n, 0)), err == nil
}

// eachKey checks a table and calls each with the full key of every entry.
func eachKey(f *os.File, size int64, each func(full []byte, v Version)) error {
	_, err := copyTable(io.Discard, f, size, func(full []byte, v Version, _ storedValue) { each(full, v) })
	return err
}
