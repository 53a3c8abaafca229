package storage

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const maxValueLogBytes = 1 << 30 // Badger maps them at twice their limit

// valueLogs checks the files of the value log, as far as that is cheap: their names and
// heads, that those are there, and long enough, into which the .mem files and the tables
// that were read in full point, and the entries of the newest one. Of that Badger cuts
// off all behind the first broken entry; here it is damage if a value lies there that is
// needed, and a crash otherwise.
func (p *precheck) valueLogs() error {
	for _, m := range p.mems {
		m.pointers(p.logs)
	}
	names, err := p.names(".vlog")
	if err != nil {
		return err
	}
	newest, there := uint32(0), map[uint32]int64{}
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(name, ".vlog"), 10, 32)
		if err != nil || ValueLogName(uint32(n)) != name {
			return p.damage(name, 0, "the file has no name of a value log; take it away")
		}
		newest = max(newest, uint32(n))
		if err := p.with(name, func(f *os.File, size int64) error {
			there[uint32(n)] = size
			return p.logHead(f, size)
		}); err != nil {
			return err
		}
	}
	if err := p.reach(there); err != nil {
		return err
	}
	if err := p.empty(there); err != nil {
		return err
	}
	for file := range there {
		if file != newest && p.opts.CheckBudget != CheckAll {
			continue // the scrub reads them
		}
		if err := p.with(ValueLogName(file), func(f *os.File, size int64) error { return p.walkLog(f, size, p.logs[file], file == newest) }); err != nil {
			return err
		}
	}
	return nil
}

// reach checks that the value logs are there, and as long as is known to be needed.
func (p *precheck) reach(there map[uint32]int64) error {
	for file, end := range p.logs {
		if size, ok := there[file]; !ok || size < end {
			return p.damage(ValueLogName(file), size, fmt.Sprintf("the value log is missing or cut short: values reach to byte %d", end))
		}
	}
	return nil
}

// empty removes value logs of no bytes. A kill leaves them: of the newest, which was
// just made, and of one without values, which Badger empties before it removes it, and
// would not open. Before, all tables are asked whether they need one.
func (p *precheck) empty(there map[uint32]int64) error {
	for file, size := range there {
		if size > 0 {
			continue
		}
		if err := p.contents(CheckAll, time.Now().Add(CheckAll)); err != nil {
			return err
		}
		if err := p.reach(there); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(p.dir, ValueLogName(file))); err != nil {
			return err
		}
		delete(there, file)
	}
	return nil
}

func (p *precheck) logHead(f *os.File, size int64) error {
	s, b := &source{r: f, size: size}, make([]byte, logHeadBytes)
	if size > maxValueLogBytes {
		return s.damage(0, "the value log is larger than one can be")
	}
	if size == 0 {
		return nil
	}
	if err := s.read(b, 0); err != nil {
		return err
	}
	if binary.BigEndian.Uint64(b) != 0 {
		return s.damage(0, "the value log says that it is encrypted")
	}
	return nil
}

// walkLog walks the entries of a value log, and cuts off what is behind those of the newest.
func (p *precheck) walkLog(f *os.File, size, need int64, newest bool) error {
	s := &source{r: f, size: size}
	at, torn := int64(logHeadBytes), false
	for b := []byte(nil); at < size; at += int64(len(b)) {
		var err error
		if b, err = s.logEntry(b, at); err != nil {
			if !isDamage(err) {
				return err
			}
			head := make([]byte, min(maxEntryHead, size-at))
			if err := s.read(head, at); err != nil {
				return err
			}
			torn = len(strings.Trim(string(head), "\x00")) > 0
			break
		}
	}
	if at < need {
		return s.damage(at, fmt.Sprintf("a value of the value log is broken, and those up to byte %d are needed", need))
	}
	if torn && newest {
		return p.cut(filepath.Base(f.Name()), at)
	}
	return nil
}

// pointers adds what the memtable's log needs of the value log.
func (m *memFile) pointers(logs map[uint32]int64) {
	for _, at := range m.ends {
		e, _ := memEntryAt(m.data, at)
		if e.meta&bitValuePointer == 0 || len(e.value) != pointerSize {
			continue
		}
		file, length, offset := binary.LittleEndian.Uint32(e.value), binary.LittleEndian.Uint32(e.value[4:]), binary.LittleEndian.Uint32(e.value[8:])
		logs[file] = max(logs[file], int64(offset)+int64(length))
	}
}
