package storage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// openTable is one of Badger's table files.
type openTable struct {
	id          uint64
	path        string
	first, last []byte // keys, without their version
	newest      Version
	sets        int // that have it; of blockCheck.mu

	mu      sync.Mutex // of what follows, while that is written
	file    *os.File   // once it is read
	size    int64
	closed  bool
	tail    []byte // index and footer
	index   tableIndex
	checked time.Time // when the index was, or could not be
}

func (t *openTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed = true; t.file != nil {
		_ = t.file.Close()
	}
}

// open opens the file, if it is not.
func (t *openTable) open() error {
	if t.file != nil || t.closed {
		return nil
	}
	f, err := os.Open(t.path)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t.file, t.size = f, st.Size()
	return nil
}

// indexOf returns the table's index, which was checked within the last second. It is
// empty where the file cannot be opened, as when the process has no more files to open:
// Badger has it open, and its answers are good for reads as ever, but go unchecked.
func (g *blockCheck) indexOf(t *openTable) (x *tableIndex, err error) {
	if x, err = g.index(t); x != nil || err != nil {
		return x, err
	}
	if err := g.recheck(t); err != nil {
		return nil, err
	}
	return &t.index, nil
}

// recheck fails where the index is not what it was; the next read finds that, too.
func (g *blockCheck) recheck(t *openTable) error {
	err := g.sameIndex(t)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.checked = time.Time{}
	}
	return err
}

// index returns the table's index, nil where it has to be checked again.
func (g *blockCheck) index(t *openTable) (_ *tableIndex, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	fresh := now.Sub(t.checked) <= indexCheckEvery
	switch {
	case t.closed:
		return nil, errTableGone
	case t.tail != nil && fresh:
		return &t.index, nil
	case t.tail != nil:
		t.checked = now // by whoever comes first
		return nil, nil
	case t.file == nil && fresh:
		return &tableIndex{}, nil
	}
	if err := t.open(); err != nil {
		if g.gone(t) {
			return nil, errTableGone
		}
		t.checked = now
		return &tableIndex{}, nil
	}
	defer func() {
		if p := recover(); p != nil { // flatbuffers do not check bounds
			err = g.damage(t, 0, "the index cannot be read: "+fmt.Sprint(p))
		}
	}()
	if err := g.readIndex(t); err != nil {
		return nil, err
	}
	t.checked = now
	return &t.index, nil
}

func (g *blockCheck) readIndex(t *openTable) error {
	c := &tableCheck{source: source{r: t.file, size: t.size}}
	if err := c.readIndex(); err != nil {
		var damage *DamageError
		if !errors.As(err, &damage) || g.gone(t) {
			return g.readError(t, err)
		}
		return g.damage(t, damage.Offset, damage.Problem)
	}
	t.tail, t.index = c.tail, c.index
	return nil
}

// sameIndex compares the index with what it was.
func (g *blockCheck) sameIndex(t *openTable) error {
	buf := blockBuffers.Get().(*[]byte)
	defer blockBuffers.Put(buf)
	at := t.size - int64(len(t.tail))
	for part := range slices.Chunk(t.tail, 64<<10) {
		*buf = grow(*buf, len(part))
		if err := g.read(t, *buf, at); err != nil {
			return err
		}
		if !bytes.Equal(*buf, part) {
			return g.damage(t, t.index.end, "the index is not what it was")
		}
		at += int64(len(part))
	}
	return nil
}

var blockBuffers = sync.Pool{New: func() any { return new([]byte) }}

// block checks one block of a table against its checksum, and lets look, if any, see it.
func (g *blockCheck) block(t *openTable, x *tableIndex, i int, look func(block []byte)) error {
	b := x.block(i)
	if b.length == 0 || b.length > maxBlockBytes {
		return g.damage(t, int64(b.offset), "the index makes no sense")
	}
	buf := blockBuffers.Get().(*[]byte)
	defer blockBuffers.Put(buf)
	*buf = grow(*buf, int(b.length))
	if err := g.read(t, *buf, int64(b.offset)); err != nil {
		return err
	}
	data, sum, ok := splitSum(*buf)
	if !ok || !bytes.Equal(sum, checksum(data)) {
		return g.damage(t, int64(b.offset), "a block does not match its checksum")
	}
	if look != nil {
		look(data)
	}
	return nil
}

func (g *blockCheck) read(t *openTable, b []byte, at int64) error {
	n, err := t.file.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return g.readError(t, cmp.Or(err, io.ErrUnexpectedEOF))
}

// readError tells a table that was removed from one that cannot be read.
func (g *blockCheck) readError(t *openTable, err error) error {
	switch {
	case errors.Is(err, os.ErrClosed) || g.gone(t):
		return errTableGone
	case ofSystem(err):
		return fmt.Errorf("table %s: %w: %s cannot be read: %w", g.table, ErrUnavailable, t.path, err)
	}
	return g.damage(t, 0, "the file is cut short")
}

// gone says whether Badger has removed the table.
func (g *blockCheck) gone(t *openTable) bool {
	return !slices.ContainsFunc(g.tables(), func(info badger.TableInfo) bool { return info.ID == t.id })
}
