package changelog

import (
	"encoding/binary"

	"github.com/brockdb/brock/storage"
)

const (
	flagRestore = 1
	// maxChanges bounds what a commit changes, and so the memory that a reader takes
	// for it: many times what a table puts into one.
	maxChanges = 1 << 16
)

// appendCommit writes a commit of the table at the index: varints index and version,
// flags, the ledger, then either the restored version or the changes.
func appendCommit(b []byte, table int, c *storage.Commit) []byte {
	b = binary.AppendUvarint(b, uint64(table))
	b = binary.AppendUvarint(b, uint64(c.Ledger.Version))
	if c.Restored != nil {
		b = c.Ledger.Append(append(b, flagRestore))
		return binary.AppendUvarint(b, uint64(*c.Restored))
	}
	b = c.Ledger.Append(append(b, 0))
	b = binary.AppendUvarint(b, uint64(len(c.Changes)))
	for _, e := range c.Changes {
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		if e.Envelope == nil {
			b = append(append(b, 0), e.Key...)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(e.Envelope))+1)
		b = append(append(b, e.Key...), e.Envelope...)
	}
	return b
}

// commitSize is at most what appendCommit adds.
func commitSize(c *storage.Commit) int {
	n := 3*binary.MaxVarintLen64 + 1 + storage.LedgerSize
	for _, e := range c.Changes {
		n += 2*binary.MaxVarintLen32 + len(e.Key) + len(e.Envelope)
	}
	return n
}

// scanner takes commits off a frame's content. bad stays set from the first part
// that is not there.
type scanner struct {
	b   []byte
	bad bool
}

func (s *scanner) uvarint() uint64 {
	n, used := binary.Uvarint(s.b)
	if used <= 0 {
		s.b, s.bad = nil, true
		return 0
	}
	s.b = s.b[used:]
	return n
}

func (s *scanner) bytes(n uint64) []byte {
	if n > uint64(len(s.b)) {
		s.b, s.bad = nil, true
		return nil
	}
	part := s.b[:n:n]
	s.b = s.b[n:]
	return part
}

// commit takes the first commit off. Its slices are parts of the content.
func (s *scanner) commit() (table uint64, c storage.Commit, problem string) {
	table = s.uvarint()
	v := storage.Version(s.uvarint())
	flags, ledger := s.bytes(1), s.bytes(storage.LedgerSize)
	if s.bad {
		return 0, c, "frame holds fewer commits than it says"
	}
	if c.Ledger, problem = storage.DecodeLedger(ledger); problem != "" {
		return 0, c, problem
	}
	switch {
	case v != c.Ledger.Version:
		return 0, c, "commit has another version than its ledger"
	case flags[0] == flagRestore:
		from := storage.Version(s.uvarint())
		c.Restored = &from
	case flags[0] == 0:
		c.Changes = s.changes(v)
	default:
		return 0, c, "commit has unknown flags"
	}
	if s.bad {
		return 0, c, "frame holds fewer commits than it says"
	}
	return table, c, ""
}

func (s *scanner) changes(v storage.Version) []storage.Entry {
	n := s.uvarint()
	if n > maxChanges || n > uint64(len(s.b))/2 { // each takes two bytes and more
		s.bad = true
		return nil
	}
	changes := make([]storage.Entry, 0, n)
	for ; n > 0 && !s.bad; n-- {
		key, env := s.uvarint(), s.uvarint()
		e := storage.Entry{Key: s.bytes(key), Version: v}
		if s.bad = s.bad || env == 1; env > 0 { // no envelope is empty
			e.Envelope = s.bytes(env - 1)
		}
		changes = append(changes, e)
	}
	return changes
}
