package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// TableSum is what [CheckTable] found in a table file.
type TableSum struct {
	Entries    uint64
	MaxVersion Version
	// Logs has, for each value-log file that an entry points into, the end of the
	// furthest value: so many bytes of the file are needed.
	Logs map[uint32]int64
}

// CheckTable reads all of one of Badger's table files (SST) and checks every byte
// of it: the checksum of each block and of the index, that the blocks fill the file
// without a gap, that keys ascend, and each record that is in it against its own
// envelope, so that damage which a compaction has written again under a fresh
// checksum is found, too. It runs on the caller's goroutine, never panics, and
// holds the index and one group of blocks. What is wrong is a [DamageError].
//
// It knows uncompressed, unencrypted tables, which is what Brock's stores have.
func CheckTable(r io.ReaderAt, size int64) (TableSum, error) { return CopyTable(io.Discard, r, size) }

// CopyTable is [CheckTable], and writes to w what it has read, after it is checked:
// one pass over the file. After an error w holds a part only.
func CopyTable(w io.Writer, r io.ReaderAt, size int64) (TableSum, error) {
	return copyTable(w, r, size, nil)
}

func copyTable(w io.Writer, r io.ReaderAt, size int64, each func(full []byte, v Version, value storedValue)) (sum TableSum, err error) {
	c := &tableCheck{source: source{r: r, size: size}, w: w, each: each}
	defer func() {
		if p := recover(); p != nil { // from the index: flatbuffers do not check bounds
			err = c.damage(c.at, "the index cannot be read: "+fmt.Sprint(p))
		}
		sum = c.sum
	}()
	c.sum.Logs = map[uint32]int64{}
	if err := c.readIndex(); err != nil {
		return c.sum, err
	}
	if err := c.blocks(); err != nil {
		return c.sum, err
	}
	if err := c.settle(); err != nil {
		return c.sum, err
	}
	_, err = w.Write(c.tail)
	return c.sum, err
}

// tableCheck is one pass over a table file.
type tableCheck struct {
	source
	w     io.Writer
	index tableIndex
	tail  []byte // index and footer
	at    int64  // where in the file we are
	sum   TableSum
	group []byte                                          // the blocks read last
	key   []byte                                          // of the entry before
	next  []byte                                          // scratch
	each  func(full []byte, v Version, value storedValue) // gets every key, may be nil
}

// groupBytes is how much is read at once.
const groupBytes = 1 << 20

// yieldBlocks is after how many blocks (of 4 KiB mostly) others get the processor: a
// backup checks gigabytes beside commits that take microseconds.
const yieldBlocks = 16

// blocks checks the blocks group by group.
func (c *tableCheck) blocks() error {
	for i := 0; i < c.index.blocks; {
		n, length, err := c.index.group(i, c.at, groupBytes)
		if err != nil {
			return c.damage(c.at, err.Error())
		}
		c.group = grow(c.group, length)
		if err := c.read(c.group, c.at); err != nil {
			return err
		}
		rest := c.group
		for ; n > 0; n, i = n-1, i+1 {
			b := c.index.block(i)
			if err := c.block(rest[:b.length], b.key); err != nil {
				return err
			}
			c.at, rest = c.at+int64(b.length), rest[b.length:]
			if i%yieldBlocks == 0 {
				runtime.Gosched()
			}
		}
		if _, err := c.w.Write(c.group); err != nil {
			return err
		}
	}
	if c.at != c.size-int64(len(c.tail)) {
		return c.damage(c.at, "the blocks do not reach the index")
	}
	return nil
}

// block checks one block, of which the index says with what key it begins.
func (c *tableCheck) block(b, first []byte) error {
	data, sum, ok := splitSum(b)
	if !ok || !bytes.Equal(sum, checksum(data)) {
		return c.damage(c.at, "a block does not match its checksum")
	}
	if err := c.entries(data, first); err != "" {
		return c.damage(c.at, err)
	}
	return nil
}

// settle compares what was found with what the index says of the whole.
func (c *tableCheck) settle() error {
	if c.sum.Entries != c.index.entries || c.sum.MaxVersion != c.index.maxVersion {
		return c.damage(c.at, "the index counts other entries than there are")
	}
	return nil
}

// source is a file that is judged.
type source struct {
	r    io.ReaderAt
	size int64
}

// read fills b from the offset.
func (s *source) read(b []byte, at int64) error {
	n, err := s.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.damage(at+int64(n), "the file is cut short")
	}
	return fmt.Errorf("read %s at byte %d: %w", s.name(), at, err)
}

func (s *source) damage(at int64, problem string) error {
	return &DamageError{File: s.name(), Offset: at, Problem: problem}
}

// name is the file's, where it has one.
func (s *source) name() string {
	if f, ok := s.r.(interface{ Name() string }); ok {
		return f.Name()
	}
	return ""
}

// grow returns a slice of n bytes, b itself where that has room.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
