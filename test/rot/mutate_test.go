package rot

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// mutation is one act of damage to a vault, and what undoes it.
type mutation struct {
	what string   // flip, cut, zero, swap, double, copy or remove
	file string   // the file that is hurt
	hurt []string // the names of which verify must report each
	any  []string // besides hurt: of these it must report one
	text string
	undo func()
}

// The chances of each kind of mutation, in percent.
var chances = []struct {
	what    string
	percent int
}{{"flip", 35}, {"cut", 12}, {"zero", 8}, {"swap", 12}, {"copy", 8}, {"double", 12}, {"remove", 13}}

// mutate damages the vault as the seed and the index say. A mutation that changes nothing
// is made up anew.
func mutate(tr *tree, index int) mutation {
	rng := rand.New(rand.NewPCG(*seed, uint64(index)))
	all := slices.DeleteFunc(tr.names(), func(name string) bool { return name == "brock.lock" }) // nothing is in it
	kinds := map[string][]string{}
	for _, name := range all {
		kinds[kind(name)] = append(kinds[kind(name)], name)
	}
	var order []string
	for k := range kinds {
		order = append(order, k)
	}
	slices.Sort(order)
	for {
		what, n := "", rng.IntN(100)
		for _, c := range chances {
			if what == "" && n < c.percent {
				what = c.what
			}
			n -= c.percent
		}
		one := kinds[order[rng.IntN(len(order))]] // of each kind as many
		file := one[rng.IntN(len(one))]
		if m, ok := (&mutator{tr, rng, all, one}).make(what, file); ok {
			m.what, m.file = what, file
			return m
		}
	}
}

type mutator struct {
	tr  *tree
	rng *rand.Rand
	all []string
	one []string // all of the kind
}

// make makes one mutation; ok is false where it would change nothing.
func (x *mutator) make(what, file string) (m mutation, ok bool) {
	b := x.tr.files[file]
	if len(b) == 0 {
		return m, false
	}
	switch what {
	case "flip":
		bit := x.rng.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
		return mutation{hurt: []string{file}, text: fmt.Sprintf("bit %d", bit), undo: func() { b[bit/8] ^= 1 << (bit % 8) }}, true
	case "cut":
		n := x.rng.IntN(len(b))
		x.tr.files[file] = b[:n:n]
		return mutation{hurt: []string{file}, text: fmt.Sprintf("to %d of %d bytes", n, len(b)), undo: func() { x.tr.files[file] = b }}, true
	case "zero":
		return x.zero(file, b)
	case "swap", "copy":
		return x.exchange(what, file)
	case "double":
		return x.double(file)
	}
	return x.remove(file), true
}

// zero makes a page of the file, or a part of one, zeros.
func (x *mutator) zero(file string, b []byte) (m mutation, ok bool) {
	page := 1 << (4 + x.rng.IntN(9))
	at := x.rng.IntN(len(b)) / page * page
	bad := slices.Clone(b)
	clear(bad[at:min(at+page, len(b))])
	if bytes.Equal(bad, b) {
		return m, false
	}
	x.tr.files[file] = bad
	return mutation{hurt: []string{file}, text: fmt.Sprintf("%d bytes at %d", page, at), undo: func() { x.tr.files[file] = b }}, true
}

// exchange exchanges two files, or puts a copy of one in the place of another: mostly of
// one kind.
func (x *mutator) exchange(what, file string) (m mutation, ok bool) {
	from := x.one
	if x.rng.IntN(4) == 0 {
		from = x.all
	}
	other := from[x.rng.IntN(len(from))]
	a, b := x.tr.files[file], x.tr.files[other]
	if bytes.Equal(a, b) {
		return m, false
	}
	m = mutation{hurt: []string{file}, text: "with " + other, undo: func() { x.tr.files[file], x.tr.files[other] = a, b }}
	if x.tr.files[file] = b; what == "swap" {
		x.tr.files[other] = a
		m.hurt = append(m.hurt, other)
	}
	return m, true
}

// double adds a copy of the file: beside it, in another folder, or under a name as a file
// of its kind has.
func (x *mutator) double(file string) (m mutation, ok bool) {
	dir, base := path.Split(file)
	name := ""
	switch x.rng.IntN(4) {
	case 0:
		name = dir + []string{base + ".bak", "copy of " + base, base + "~"}[x.rng.IntN(3)]
	case 1:
		other := x.all[x.rng.IntN(len(x.all))]
		name = path.Dir(other) + "/" + base
		if strings.Contains(dir, "/pool/") && path.Base(path.Dir(other)) == "pool" {
			return m, false // a file of the pool that no snapshot has: a crash leaves such
		}
	case 2:
		name = dir + alike(x.rng, base)
	case 3:
		return x.doubleFolder(file)
	}
	if _, there := x.tr.files[name]; there || strings.HasPrefix(name, "./") {
		return m, false
	}
	x.tr.put(name, x.tr.files[file])
	return mutation{hurt: []string{name}, text: "as " + name, undo: func() { x.tr.remove(name) }}, true
}

// alike is a name that differs from base in one digit or letter, such as one of the same
// kind.
func alike(rng *rand.Rand, base string) string {
	b := []byte(base)
	var at []int
	for i := range len(strings.TrimSuffix(base, path.Ext(base))) {
		if c := b[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
			at = append(at, i)
		}
	}
	if len(at) > 0 {
		b[at[rng.IntN(len(at))]] = byte('0' + rng.IntN(10))
	}
	return string(b)
}

// doubleFolder copies the folder of a snapshot under another name.
func (x *mutator) doubleFolder(file string) (m mutation, ok bool) {
	dir := path.Dir(file)
	if path.Base(path.Dir(dir)) != "snapshots" {
		return m, false
	}
	to := path.Dir(dir) + "/" + alike(x.rng, path.Base(dir))
	if _, there := x.tr.dirs[to]; there {
		return m, false
	}
	for _, name := range x.tr.below(dir) {
		x.tr.put(to+strings.TrimPrefix(name, dir), x.tr.files[name])
	}
	return mutation{any: []string{to, to + "/manifest.json"}, text: "with its folder, as " + to, undo: func() {
		for _, name := range x.tr.below(to) {
			delete(x.tr.files, name)
		}
		delete(x.tr.dirs, to)
		x.tr.unlink(to)
	}}, true
}

// remove removes a file, or the whole folder of a snapshot.
func (x *mutator) remove(file string) mutation {
	dir := path.Dir(file)
	if path.Base(path.Dir(dir)) == "snapshots" && x.rng.IntN(3) == 0 {
		gone := map[string][]byte{}
		for _, name := range x.tr.below(dir) {
			gone[name] = x.tr.files[name]
			x.tr.remove(name)
		}
		entries := x.tr.dirs[dir]
		delete(x.tr.dirs, dir)
		x.tr.unlink(dir)
		return mutation{hurt: []string{dir}, text: "with its folder", undo: func() {
			x.tr.dirs[dir] = entries
			x.tr.link(dir, true)
			for name, b := range gone {
				x.tr.put(name, b)
			}
		}}
	}
	b := x.tr.files[file]
	x.tr.remove(file)
	if parts := strings.Split(strings.TrimSuffix(file, ".json"), "/"); parts[0] == "removals" { // then the snapshot looks lost
		return mutation{any: []string{path.Join("tables", parts[1], "snapshots", parts[2])}, undo: func() { x.tr.put(file, b) }}
	}
	return mutation{hurt: []string{file}, undo: func() { x.tr.put(file, b) }}
}
