package storage

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4/fb"
)

// tableIndex is a table file's index. Its methods may panic where its bytes, though
// they match their checksum, are not an index.
type tableIndex struct {
	fb         *fb.TableIndex
	blocks     int
	entries    uint64
	maxVersion Version
	end        int64 // where the blocks end
}

type tableBlock struct {
	offset, length uint32
	key            []byte // the first one's, with its version
}

// readIndex reads the end of the file, which says where the index is, and the
// index, and checks both:
//
//	blocks | index | its length, 4 | its checksum | the checksum's length, 4
func (c *tableCheck) readIndex() error {
	at := max(c.size-footerBytes, 0)
	foot := make([]byte, c.size-at)
	if c.size == 0 || c.size > maxTableBytes {
		return c.damage(0, "the file is empty, or too large for a table")
	}
	if err := c.read(foot, at); err != nil {
		return err
	}
	head, sum, ok := splitSum(foot)
	if !ok || len(head) < 4 {
		return c.damage(at, "the file does not end like a table")
	}
	head = head[:len(head)-4]
	length := int64(binary.BigEndian.Uint32(foot[len(head):]))
	end := at + int64(len(head)) // of the index
	if length > end || length > maxIndexBytes || length < 8 {
		return c.damage(end, "the length of the index makes no sense")
	}
	c.tail = make([]byte, c.size-(end-length))
	if err := c.read(c.tail, end-length); err != nil {
		return err
	}
	index := c.tail[:length]
	if !bytes.Equal(sum, checksum(index)) {
		return c.damage(end-length, "the index does not match its checksum")
	}
	return c.parse(index, end-length)
}

// footerBytes is enough for all behind the index: two lengths and a checksum.
const footerBytes = 4 + 11 + 4

func (c *tableCheck) parse(index []byte, at int64) error {
	c.at = at // for the message, should it panic
	t := fb.GetRootAsTableIndex(index, 0)
	c.index = tableIndex{fb: t, blocks: t.OffsetsLength(), entries: uint64(t.KeyCount()), maxVersion: Version(t.MaxVersion()), end: at}
	if c.index.blocks <= 0 || c.index.blocks > len(index)/4 || c.index.maxVersion > MaxVersion {
		return c.damage(at, "the index makes no sense")
	}
	c.at = 0
	return nil
}

func (x *tableIndex) block(i int) tableBlock {
	var o fb.BlockOffset
	x.fb.Offsets(&o, i)
	return tableBlock{offset: o.Offset(), length: o.Len(), key: o.KeyBytes()}
}

// group returns how many blocks from the i-th on, which lies at the offset, have
// together at most limit bytes, but at least one, and their bytes.
func (x *tableIndex) group(i int, at int64, limit int) (n, length int, err error) {
	for ; i+n < x.blocks; n++ {
		b := x.block(i + n)
		if int64(b.offset) != at+int64(length) || b.length == 0 || b.length > maxBlockBytes || int64(b.offset)+int64(b.length) > x.end {
			return 0, 0, errors.New("a block is not where the one before ends")
		}
		if n > 0 && length+int(b.length) > limit {
			break
		}
		length += int(b.length)
	}
	return n, length, nil
}
