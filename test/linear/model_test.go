package linear

import (
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/anishathalye/porcupine"
)

// keys is how many a table has: few, so that clients meet.
const keys = 5

// What is done to a table.
const (
	get     = "get"
	scan    = "scan"
	count   = "count"
	write   = "write"
	backup  = "backup"
	restore = "restore"
)

// How it ended.
const (
	done     = "ok"
	conflict = "conflict"
	refused  = "refused" // nothing was written
	unknown  = "unknown"
)

// cell is a key's record. Each value is written once, so that it tells who wrote it.
type cell struct {
	Val uint32 `json:"n,omitempty"` // 0: there is none
	Ver uint64 `json:"v,omitempty"` // 0: its writer was never told
}

// change is one operation of a batch.
type change struct {
	Key       int    `json:"k"`
	Val       uint32 `json:"n,omitempty"` // 0: delete
	IfAbsent  bool   `json:"absent,omitempty"`
	IfVersion uint64 `json:"if,omitempty"`
}

type input struct {
	Table  int      `json:"t"`
	Kind   string   `json:"do"`
	Key    int      `json:"k,omitempty"`
	Batch  []change `json:"b,omitempty"`
	Run    string   `json:"run,omitempty"` // that is restored
	wanted bool     // of a backup: it is restored later
}

type output struct {
	Status  string     `json:"s"`
	Cells   [keys]cell `json:"c,omitzero"`
	Count   uint64     `json:"count,omitempty"`
	Version uint64     `json:"v,omitempty"`
	Run     string     `json:"run,omitempty"` // that was made
	Error   string     `json:"err,omitempty"`
}

// state is a table as it may be at a moment.
type state struct {
	cells [keys]cell
	last  uint64 // no version that comes is below it
	runs  *runs
}

// runs are what backups hold, a list that grows at its head. No run is made twice, so
// lists with the same head are the same.
type runs struct {
	id     string
	cut    uint64
	cells  [keys]cell
	before *runs
	hash   uint64
}

func (r *runs) equal(o *runs) bool {
	for r != o && r != nil && o != nil {
		if r.hash != o.hash || r.id != o.id || r.cells != o.cells || r.cut != o.cut {
			return false
		}
		r, o = r.before, o.before
	}
	return r == o
}

func (s state) equal(o state) bool {
	return s.cells == o.cells && s.last == o.last && s.runs.equal(o.runs)
}

var hashSeed = maphash.MakeSeed()

func (s state) hash() uint64 {
	h := maphash.Comparable(hashSeed, s.cells) ^ s.last
	if s.runs != nil {
		h ^= s.runs.hash
	}
	return h
}

// model is what a table promises. A write of unknown outcome may have happened or not.
var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(s, in, out any) (next []any) {
		for _, n := range step(s.(state), in.(input), out.(output)) {
			next = append(next, n)
		}
		return next
	},
	Equal:             func(a, b any) bool { return a.(state).equal(b.(state)) },
	Hash:              func(s any) uint64 { return s.(state).hash() },
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%v up to %d", s.(state).cells, s.(state).last) },
}

func describe(in input, out output) string {
	what := in.Kind
	switch in.Kind {
	case get:
		what += fmt.Sprintf(" %d: %v", in.Key, out.Cells[in.Key])
	case scan:
		what += fmt.Sprintf(": %v", out.Cells)
	case count:
		what += fmt.Sprintf(": %d", out.Count)
	case write:
		var b []string
		for _, c := range in.Batch {
			b = append(b, strings.TrimSpace(fmt.Sprintf("%d=%d %s", c.Key, c.Val, c.condition())))
		}
		what += " " + strings.Join(b, ", ")
	case backup:
		what += " " + out.Run
	case restore:
		what += " " + in.Run
	}
	if out.Version > 0 {
		what += fmt.Sprintf(" at %d", out.Version)
	}
	if out.Status != done {
		what += " " + out.Status + " " + out.Error
	}
	return what
}

func (c change) condition() string {
	switch {
	case c.IfAbsent:
		return "if absent"
	case c.IfVersion > 0:
		return fmt.Sprintf("if at %d", c.IfVersion)
	}
	return ""
}
