package storage

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// manifest is what a MANIFEST says, see [tableList] for its format: the tables that
// make the store, and all that it ever named.
type manifest struct {
	live  map[uint64]int  // level of each table that the store has
	named map[uint64]bool // also those that were deleted again
	sets  int             // of changes, complete ones
	first int             // changes in the first set; one that Badger makes anew has none
	end   int64           // of the last complete set
}

const (
	manifestHead     = 8
	maxManifestBytes = 64 << 20 // Badger writes it anew long before
	badgerFormat     = 8
	maxTableID       = 1 << 48
)

// readManifest reads a MANIFEST of size bytes and checks it: its head, the length and
// checksum of every set of changes, and each change. It holds one set at a time, of at
// most the file's size. An incomplete set at the end is no error: manifest.end says
// where the complete part ends. What is wrong is a [DamageError].
func readManifest(r io.ReaderAt, size int64) (*manifest, error) {
	m := &manifest{live: map[uint64]int{}, named: map[uint64]bool{}}
	s := &source{r: r, size: size}
	if size < manifestHead || size > maxManifestBytes {
		return nil, s.damage(0, "the list of tables is cut short, or larger than one can be")
	}
	var head [manifestHead]byte
	if err := s.read(head[:], 0); err != nil {
		return nil, err
	}
	if string(head[:4]) != "Bdgr" || binary.BigEndian.Uint16(head[4:]) != 0 || binary.BigEndian.Uint16(head[6:]) != badgerFormat {
		return nil, s.damage(0, "this is no list of tables in Badger's format 8")
	}
	m.end = manifestHead
	var b []byte
	for size-m.end >= 8 {
		if err := s.read(head[:], m.end); err != nil {
			return nil, err
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		if length > size-m.end-8 {
			break
		}
		b = grow(b, int(length))
		if err := s.read(b, m.end+8); err != nil {
			return nil, err
		}
		if crc32.Checksum(b, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			return nil, s.damage(m.end, "a set of changes does not match its checksum")
		}
		if problem := m.apply(b); problem != "" {
			return nil, s.damage(m.end, problem)
		}
		m.end += 8 + length
	}
	return m, nil
}

// apply adds a set of changes and says in words what is wrong with it.
func (m *manifest) apply(b []byte) (problem string) {
	const broken = "a set of changes makes no sense"
	n := 0
	for ; len(b) > 0; n++ {
		field, kind, k := protowire.ConsumeTag(b)
		if k < 0 || field != 1 || kind != protowire.BytesType {
			return broken
		}
		change, k2 := protowire.ConsumeBytes(b[k:])
		if k2 < 0 {
			return broken
		}
		b = b[k+k2:]
		f, ok := changeFields(change)
		if !ok {
			return broken
		}
		if problem := m.change(f); problem != "" {
			return problem
		}
	}
	if m.sets == 0 {
		m.first = n
	}
	m.sets++
	return ""
}

// changeFields returns the numbers of one change: id, deleted (1) or created (0),
// level, id of the key it is encrypted with, algorithm of that, compression.
func changeFields(b []byte) (f [7]uint64, ok bool) {
	for len(b) > 0 {
		field, kind, k := protowire.ConsumeTag(b)
		if k < 0 || kind != protowire.VarintType || int(field) >= len(f) {
			return f, false
		}
		v, k2 := protowire.ConsumeVarint(b[k:])
		if k2 < 0 {
			return f, false
		}
		f[field], b = v, b[k+k2:]
	}
	return f, true
}

func (m *manifest) change(f [7]uint64) (problem string) {
	id, op, level := f[1], f[2], f[3]
	_, exists := m.live[id]
	switch {
	case id == 0 || id > maxTableID || op > 1:
		return "a change makes no sense"
	case op == 1:
		delete(m.live, id)
	case exists:
		return "a table is created that exists"
	case level >= maxLevels || f[4] != 0 || f[6] != 0:
		return "a table is at no level there is, encrypted, or compressed"
	default:
		m.live[id] = int(level)
	}
	m.named[id] = true
	return ""
}
