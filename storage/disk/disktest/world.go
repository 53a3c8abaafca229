package disktest

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// A world is what a disk holds: what is durable, and what waits for a sync.
type world struct {
	root  *node
	files map[int]*node
	count int // of changes of names, in all folders
}

// node is a file or, with live, a folder.
type node struct {
	// Of a folder: its names as programs see them, those that are durable, and the
	// changes between the two.
	live, durable map[string]*node
	changes       []change
	// Of a file: its bytes as programs see them, those that are durable, and the writes
	// between the two.
	data, synced []byte
	writes       []write
	// home is where the content of a foreign folder is that was removed.
	home    string
	foreign bool
}

// change is one of names in a folder. Both halves of a rename are one change where
// they are in one folder, so that it is atomic.
type change struct {
	at       int // its number in the world
	gone     string
	name     string
	becoming *node
}

type write struct {
	off  int64
	data []byte
}

func newWorld() *world {
	return &world{root: newDir(), files: map[int]*node{}}
}

func newDir() *node { return &node{live: map[string]*node{}, durable: map[string]*node{}} }

// makeAll makes a folder that is durable.
func (w *world) makeAll(name string) *node {
	at := w.root
	for _, part := range split(name) {
		next := at.live[part]
		if next == nil {
			next = newDir()
			at.live[part], at.durable[part] = next, next
		}
		at = next
	}
	return at
}

// put makes a file that is durable.
func (w *world) put(name string, data []byte) {
	dir, base := w.makeAll(filepath.Dir(name)), filepath.Base(name)
	n := &node{data: data, synced: data}
	dir.live[base], dir.durable[base] = n, n
}

// find returns the node as programs see it, nil where there is none.
func (w *world) find(name string) *node {
	at := w.root
	for _, part := range split(name) {
		if at == nil || at.live == nil {
			return nil
		}
		at = at.live[part]
	}
	return at
}

// apply takes a step.
func (w *world) apply(s step) {
	switch s.verb {
	case Create:
		n := &node{}
		w.files[s.id] = n
		w.link(s.name, n)
	case mkdir:
		w.link(s.name, newDir())
	case Write:
		n := w.files[s.id]
		n.data = overlay(slices.Clone(n.data), s.off, s.data)
		n.writes = append(n.writes, write{s.off, s.data})
	case Sync:
		n := w.files[s.id]
		n.synced, n.writes = n.data, nil
	case Rename:
		w.rename(s.name, s.to)
	case Remove:
		w.unlink(s.name)
	case RemoveAll:
		w.adopt(s.name).home = s.to
		w.unlink(s.name)
	case SyncDir:
		if n := w.find(s.name); n != nil && n.live != nil {
			n.durable, n.changes = maps.Clone(n.live), nil
		}
	}
}

func (w *world) change(dir *node, c change) {
	if dir == nil || dir.live == nil {
		return // in a foreign folder
	}
	if delete(dir.live, c.gone); c.becoming != nil {
		dir.live[c.name] = c.becoming
	}
	w.count++
	c.at = w.count
	dir.changes = append(dir.changes, c)
}

func (w *world) link(name string, n *node) {
	w.change(w.find(filepath.Dir(name)), change{name: filepath.Base(name), becoming: n})
}

func (w *world) unlink(name string) {
	w.change(w.find(filepath.Dir(name)), change{gone: filepath.Base(name)})
}

// adopt returns the node of the name. One that is not known is a foreign folder, which
// was there all along.
func (w *world) adopt(name string) *node {
	n := w.find(name)
	if n == nil {
		n = &node{foreign: true}
		if dir := w.find(filepath.Dir(name)); dir != nil && dir.live != nil {
			dir.live[filepath.Base(name)], dir.durable[filepath.Base(name)] = n, n
		}
	}
	return n
}

func (w *world) rename(from, to string) {
	n := w.adopt(from)
	if filepath.Dir(from) == filepath.Dir(to) {
		w.change(w.find(filepath.Dir(to)), change{gone: filepath.Base(from), name: filepath.Base(to), becoming: n})
		return
	}
	w.link(to, n)
	w.unlink(from)
}

// sector is what a disk writes as one.
const sector = 512

// cutter decides what of the unsynced survives.
type cutter struct {
	rng  *rand.Rand
	keep int // percent
	// ordered is how a journalling file system loses: of the changes of names the last
	// ones, of a file its end. Otherwise each change and each sector fares by itself.
	ordered bool
	last    int // the last change of a name that survives, where ordered
}

func newCutter(w *world, keep int, seed uint64) *cutter {
	c := &cutter{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), keep: keep}
	if c.ordered = c.rng.IntN(2) == 0; c.ordered {
		waiting := w.root.waiting(nil)
		slices.Sort(waiting)
		for _, at := range waiting {
			if !c.survives() {
				break
			}
			c.last = at
		}
	}
	return c
}

// waiting collects the numbers of the changes that are not durable.
func (n *node) waiting(to []int) []int {
	for _, c := range n.changes {
		to = append(to, c.at)
	}
	for _, kid := range n.live {
		to = kid.waiting(to)
	}
	return to
}

func (c *cutter) survives() bool { return c.rng.IntN(100) < c.keep }

// names returns what a folder holds after the cut.
func (c *cutter) names(n *node) map[string]*node {
	names := maps.Clone(n.durable)
	for _, ch := range n.changes {
		if c.ordered && ch.at > c.last || !c.ordered && !c.survives() {
			continue
		}
		if delete(names, ch.gone); ch.becoming != nil {
			names[ch.name] = ch.becoming
		}
	}
	return names
}

// content returns what a file holds after the cut.
func (c *cutter) content(n *node) []byte {
	if len(n.writes) == 0 {
		return n.synced
	}
	data := slices.Clone(n.synced)
	var lost [][2]int64
	for _, w := range n.writes {
		for i := 0; i < len(w.data); i += sector {
			part := w.data[i:min(i+sector, len(w.data))]
			off := w.off + int64(i)
			if c.survives() {
				data = overlay(data, off, part)
				continue
			}
			if c.ordered {
				return data
			}
			lost = append(lost, [2]int64{off, off + int64(len(part))})
		}
	}
	if c.survives() && len(data) < len(n.data) { // its new length is there, what it is longer by is not
		data = append(data, make([]byte, len(n.data)-len(data))...)
	}
	if c.rng.IntN(4) == 0 { // what stood on the disk before
		for _, l := range lost {
			for i := max(l[0], int64(len(n.synced))); i < min(l[1], int64(len(data))); i++ {
				data[i] = byte(c.rng.Uint32())
			}
		}
	}
	return data
}
