package changelog

import (
	"encoding/binary"
	"regexp"

	"github.com/brockdb/brock/storage"
	"github.com/zeebo/xxh3"
)

// A segment is
//
//	header | frame … | end mark
//
// and nothing after; storage/FORMAT.md shows it. This file owns the header's layout,
// frame.go that of frames and the end mark, commit.go that of commits. All numbers
// are big-endian, all checksums the 64-bit XXH3.
const (
	magic  = "BROCKLOG"
	format = 1

	headLead = len(magic) + 2 + 4 // magic, format, size of the whole header
	sumSize  = 8

	// maxTables bounds what one segment names, and so the header.
	maxTables = 10_000
	maxID     = 64
	stateSize = 1 + 64 + 1 + 2*storage.LedgerSize + 4*8 // at most
	maxHead   = headLead + 2*(1+maxID) + 8 + 8 + 4 + maxTables*stateSize + sumSize

	flagBreak = 1
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// encode appends nothing that parse would refuse, once check has passed.
func (h Head) encode() []byte {
	b := append(make([]byte, 0, 512+len(h.Tables)*stateSize), magic...)
	b = binary.BigEndian.AppendUint16(b, format)
	b = append(b, 0, 0, 0, 0)
	b = appendString(appendString(b, h.Vault), h.HubID)
	b = binary.BigEndian.AppendUint64(b, uint64(h.From))
	b = binary.BigEndian.AppendUint64(b, uint64(h.To))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h.Tables)))
	for i := range h.Tables {
		b = h.Tables[i].append(b)
	}
	binary.BigEndian.PutUint32(b[headLead-4:], uint32(len(b)+sumSize))
	return binary.BigEndian.AppendUint64(b, xxh3.Hash(b))
}

func (s *TableState) append(b []byte) []byte {
	var flags byte
	if s.Break {
		flags = flagBreak
	}
	b = append(appendString(b, s.Table), flags)
	b = s.After.Append(s.Before.Append(b))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Through))
	b = binary.BigEndian.AppendUint64(b, s.Commits)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Restored))
	return binary.BigEndian.AppendUint64(b, uint64(s.RestoredAt))
}

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// check returns an error that matches [storage.ErrInvalid] where the head contradicts
// itself.
func (h Head) check() error {
	err := check(idPattern.MatchString(h.Vault) && idPattern.MatchString(h.HubID), "ids %.80q and %.80q", h.Vault, h.HubID)
	if err == nil {
		err = check(h.From < h.To && h.To <= storage.MaxVersion, "from %d to %d", h.From, h.To)
	}
	if err == nil {
		err = check(len(h.Tables) <= maxTables, "%d tables", len(h.Tables))
	}
	for i := 0; err == nil && i < len(h.Tables); i++ {
		s := &h.Tables[i]
		if err = check(i == 0 || h.Tables[i-1].Table < s.Table, "table %.80q is out of order", s.Table); err == nil {
			err = s.check(h.To)
		}
	}
	return err
}

func (s *TableState) check(to storage.Version) error {
	if err := storage.CheckTableName(s.Table); err != nil {
		return err
	}
	moved := s.After.Commits == s.Before.Commits+s.Commits && s.After.Version > s.Before.Version
	return check(s.Through <= to && s.After.Version <= s.Through && (s.Commits == 0 && same(s.Before, s.After) || s.Commits > 0 && moved),
		"table %s is complete through %d, in a segment to %d, with %d commits from ledger %d of version %d to ledger %d of version %d", s.Table,
		s.Through, to, s.Commits, s.Before.Commits, s.Before.Version, s.After.Commits, s.After.Version)
}

// parseHead reads what encode wrote, but for its checksum, which has been compared.
func parseHead(b []byte) (h Head, problem string) {
	c := cutter{b: b[headLead : len(b)-sumSize]}
	h.Vault, h.HubID = c.string(), c.string()
	h.From, h.To = storage.Version(c.uint64()), storage.Version(c.uint64())
	for n := binary.BigEndian.Uint32(c.take(4)); n > 0 && !c.short; n-- {
		h.Tables = append(h.Tables, c.state())
	}
	switch {
	case c.problem != "":
		return h, c.problem
	case c.short || len(c.b) > 0:
		return h, "header has another length than it says"
	}
	if err := h.check(); err != nil {
		return h, err.Error()
	}
	return h, ""
}

// cutter takes parts off a header. What is not there reads as zeroes.
type cutter struct {
	b       []byte
	short   bool
	problem string
}

func (c *cutter) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.short = nil, true
		return make([]byte, n)
	}
	part := c.b[:n]
	c.b = c.b[n:]
	return part
}

func (c *cutter) uint64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }
func (c *cutter) string() string { return string(c.take(int(c.take(1)[0]))) }

func (c *cutter) state() (s TableState) {
	s.Table = c.string()
	flags := c.take(1)[0]
	if s.Break = flags == flagBreak; flags > flagBreak {
		c.problem = "header has unknown flags"
	}
	s.Before, s.After = c.ledger(), c.ledger()
	s.Through, s.Commits = storage.Version(c.uint64()), c.uint64()
	s.Restored, s.RestoredAt = storage.Version(c.uint64()), storage.Version(c.uint64())
	return s
}

func (c *cutter) ledger() storage.Ledger {
	l, problem := storage.DecodeLedger(c.take(storage.LedgerSize))
	if problem != "" && !c.short {
		c.problem = problem
	}
	return l
}
