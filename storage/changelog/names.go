package changelog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/brockdb/brock/storage"
)

const suffix = ".log"

// span is a parsed <from>-<to>.log.
type span struct{ from, to storage.Version }

// String is the name of the segment; names sort as versions do.
func (s span) String() string { return fmt.Sprintf("%016d-%016d%s", s.from, s.to, suffix) }

// covers says whether s has all of the other's versions, and more.
func (s span) covers(o span) bool { return s.from <= o.from && s.to >= o.to && s != o }

// order puts a larger span before those it covers.
func (s span) order(o span) int { return cmp.Or(cmp.Compare(s.from, o.from), cmp.Compare(o.to, s.to)) }

func parseSpan(name string) (s span, ok bool) {
	base, ok := strings.CutSuffix(name, suffix)
	a, b, found := strings.Cut(base, "-")
	from, err1 := strconv.ParseUint(a, 10, 64)
	to, err2 := strconv.ParseUint(b, 10, 64)
	s = span{storage.Version(from), storage.Version(to)}
	return s, ok && found && err1 == nil && err2 == nil && from < to && s.to <= storage.MaxVersion && s.String() == name
}
