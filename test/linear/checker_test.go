package linear

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// play is a history that is written down: each line begins ("+"), ends ("-") or does
// both to an operation, by its name.
type play struct {
	h   history
	ids map[string]int
}

func (p *play) begin(name string, in input)   { p.ids[name] = p.h.begin(1, in) }
func (p *play) end(name string, out output)   { p.h.end(p.ids[name], out) }
func (p *play) both(in input, out output)     { p.begin("", in); p.end("", out) }
func (p *play) put(k int, n uint32, v uint64) { p.both(put(k, n), ok(v)) }
func (p *play) reads(k int, n uint32, v uint64) {
	p.both(input{Kind: get, Key: k}, output{Status: done, Cells: with(k, n, v)})
}

func put(k int, n uint32) input { return input{Kind: write, Batch: []change{{Key: k, Val: n}}} }
func ok(v uint64) output        { return output{Status: done, Version: v} }
func with(k int, n uint32, v uint64) (c [keys]cell) {
	c[k] = cell{n, v}
	return c
}

// TestTheCheckerSees plays histories that a table must not have, each beside one that
// differs in little and is sound.
func TestTheCheckerSees(t *testing.T) {
	both := input{Kind: write, Batch: []change{{Key: 0, Val: 1}, {Key: 1, Val: 2}}}
	for name, tell := range map[string]func(p *play, broken bool){
		"an acknowledged write is lost": func(p *play, broken bool) {
			p.put(0, 1, 10)
			if broken {
				p.reads(0, 0, 0)
			} else {
				p.reads(0, 1, 10)
			}
		},
		"a read is stale": func(p *play, broken bool) {
			p.put(0, 1, 10)
			p.begin("r", input{Kind: get})
			if !broken {
				p.begin("w", put(0, 2))
				p.end("w", ok(20))
			}
			p.end("r", output{Status: done, Cells: with(0, 1, 10)})
			if broken {
				p.put(0, 2, 20)
				p.reads(0, 1, 10)
			}
		},
		"what was seen is unseen": func(p *play, broken bool) {
			p.begin("w", put(0, 1))
			p.reads(0, 1, 10)
			if broken {
				p.reads(0, 0, 0)
			}
			p.end("w", ok(10))
		},
		"half a batch is there": func(p *play, broken bool) {
			p.both(both, ok(10))
			cells := with(0, 1, 10)
			if !broken {
				cells[1] = cell{2, 10}
			}
			p.both(input{Kind: scan}, output{Status: done, Cells: cells})
		},
		"the count is wrong": func(p *play, broken bool) {
			p.both(both, ok(10))
			n := uint64(2)
			if broken {
				n = 1
			}
			p.both(input{Kind: count}, output{Status: done, Count: n})
		},
		"two win a race for one key": func(p *play, broken bool) {
			in := input{Kind: write, Batch: []change{{Key: 0, Val: 1, IfAbsent: true}}}
			p.both(in, ok(10))
			in.Batch = []change{{Key: 0, Val: 2, IfAbsent: true}}
			if broken {
				p.both(in, ok(20))
			} else {
				p.both(in, output{Status: conflict})
			}
		},
		"a fence that holds is refused": func(p *play, broken bool) {
			p.put(0, 1, 10)
			in := input{Kind: write, Batch: []change{{Key: 0, Val: 2, IfVersion: 10}}}
			if broken {
				p.both(in, output{Status: conflict})
			} else {
				p.both(in, ok(20))
			}
		},
		"versions go back": func(p *play, broken bool) {
			p.put(0, 1, 10)
			if broken {
				p.put(1, 2, 9)
			} else {
				p.put(1, 2, 10) // of the same commit
			}
		},
		"a write that a kill took comes later": func(p *play, broken bool) {
			p.begin("w", put(0, 1))
			if broken {
				p.h.ended()
				p.reads(0, 0, 0)
			} else {
				p.reads(0, 0, 0)
				p.h.ended()
			}
			p.reads(0, 1, 10)
		},
		"a restore brings what its backup has not": func(p *play, broken bool) {
			p.put(0, 1, 10)
			p.both(input{Kind: backup}, output{Status: done, Version: 15, Run: "r"})
			p.put(0, 2, 20)
			p.both(input{Kind: restore, Run: "r"}, ok(15))
			if broken {
				p.reads(0, 2, 20)
			} else {
				p.reads(0, 1, 10)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, broken := range []bool{false, true} {
				p := &play{ids: map[string]int{}}
				tell(p, broken)
				ops := p.h.operations(0)
				result, info := porcupine.CheckOperationsVerbose(model.ToModel(), ops, *patient)
				if !broken {
					require.Equal(t, porcupine.Ok, result)
					continue
				}
				require.Equal(t, porcupine.Illegal, result)
				file := filepath.Join(t.TempDir(), strings.ReplaceAll(name, " ", "-")+".html")
				require.NoError(t, porcupine.VisualizePath(model.ToModel(), info, file))
				require.FileExists(t, file)
			}
		})
	}
}
