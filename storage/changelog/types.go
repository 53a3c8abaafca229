package changelog

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
)

// Commit is one table's commit, as it goes into the log. Its version is that of its
// ledger.
type Commit struct {
	Table string
	storage.Commit
}

// TableState says what a segment holds of one table: its commits with versions above
// the Through of the segment before, up to and with this Through.
type TableState struct {
	Table string
	// Before and After are the table's ledgers before and after the segment's commits:
	// equal where there are none.
	Before, After storage.Ledger
	// Through is the version up to which the table is complete: the segment's To, or
	// lower for a table that was not available. What it committed meanwhile follows in
	// a later segment.
	Through storage.Version
	Commits uint64 // of the table in the segment
	// Restored is above 0 where some of the commits are restores: one more than the
	// lowest version that one of them put in the table's place. RestoredAt is the
	// version of the last of them.
	Restored, RestoredAt storage.Version
	// Break says that commits between the last state in the log and Before were never
	// shipped, and never will be.
	Break bool
}

// Head is what a segment says about itself.
type Head struct {
	Vault, HubID string // ids; a vault that a new hub goes on with has segments of both
	From, To     storage.Version
	Tables       []TableState // ascending by name
}

// Commits returns how many commits the segment has, of all tables.
func (h Head) Commits() (n uint64) {
	for _, s := range h.Tables {
		n += s.Commits
	}
	return n
}

// Table returns the state of the named table.
func (h Head) Table(name string) (TableState, bool) {
	i, ok := h.find(name)
	if !ok {
		return TableState{}, false
	}
	return h.Tables[i], true
}

func (h Head) find(name string) (int, bool) {
	return slices.BinarySearchFunc(h.Tables, name, func(s TableState, name string) int {
		if s.Table < name {
			return -1
		}
		if s.Table > name {
			return 1
		}
		return 0
	})
}

// Segment is a segment as lists show it.
type Segment struct {
	Head
	Name  string // of its file, in the log's folder
	Bytes int64  // of its file
}

// Range is a stretch of versions: all commits of a table above From, up to and with
// To, are in the log.
type Range struct{ From, To storage.Version }

// Codec says how a segment's frames are compressed; see package codec.
type Codec = codec.Codec

// The codecs. The zero value of [Options.Codec] stands for [Stored].
const (
	Stored = codec.Stored
	Zstd   = codec.Zstd
	S2     = codec.S2
)

// Options of [Open]; the zero value works.
type Options struct {
	Logger *slog.Logger // default: discard
	// ReadOnly opens beside a live owner: nothing is written, swept or resolved.
	ReadOnly bool
	// Codec of new segments; merged ones are always [Zstd]. Default: [Stored].
	Codec Codec
}

// same says whether both are one state of a table. What only the last commit did,
// and estimates, are left out: a manifest does not keep them.
func same(a, b storage.Ledger) bool {
	return a.Version == b.Version && a.Commits == b.Commits && a.Agrees(b)
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%w change log segment: %s", storage.ErrInvalid, fmt.Sprintf(format, args...))
}
