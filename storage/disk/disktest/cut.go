package disktest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// Cut is a power cut: behind which step, and what becomes of what was not synced.
type Cut struct {
	Step int
	Keep int    // percent of what was not synced that is there all the same
	Seed uint64 // decides which, how torn, and whether in order
}

func (c Cut) String() string {
	return fmt.Sprintf("cut behind step %d, keeping %d %% of what was not synced, seed %d", c.Step, c.Keep, c.Seed)
}

// Disk is what is left after a [Cut].
type Disk struct {
	*Mem
	Cut     Cut
	Foreign map[string]string // foreign folders by their names after the cut: where their content is
}

// Player makes disks after cuts of what a recorder took down. One goroutine uses it.
type Player struct {
	r    *Recorder
	w    *world
	done int
}

// Player returns a player for what was recorded by now.
func (r *Recorder) Player() *Player { return &Player{r: r} }

// At returns the disk after the cut. Cuts of ascending steps cost the least.
func (p *Player) At(c Cut) *Disk {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.w == nil || c.Step < p.done {
		p.w, p.done = p.r.start.copy(), 0
	}
	for ; p.done < c.Step; p.done++ {
		p.w.apply(p.r.steps[p.done])
	}
	d := &Disk{Mem: &Mem{}, Cut: c, Foreign: map[string]string{}}
	d.root = *d.build(p, newCutter(p.w, c.Keep, c.Seed), p.w.root, "/", "/")
	return d
}

// build makes a folder of the disk. live is where programs saw it before the cut.
func (d *Disk) build(p *Player, c *cutter, n *node, name, live string) *inode {
	dir := newFolder()
	names := c.names(n)
	for _, base := range slices.Sorted(maps.Keys(names)) {
		kid := names[base]
		switch {
		case kid.foreign || kid.home != "":
			d.Foreign[filepath.Join(name, base)] = kid.home
			if kid.home == "" {
				d.Foreign[filepath.Join(name, base)] = p.w.whereIs(n, live, kid)
			}
		case kid.live != nil:
			dir.kids[base] = d.build(p, c, kid, filepath.Join(name, base), p.w.whereIs(n, live, kid))
		default:
			dir.kids[base] = &inode{data: c.content(kid), shared: true}
		}
	}
	return dir
}

// whereIs returns the name under which programs saw the node in the folder, "" where
// they saw it no more.
func (w *world) whereIs(dir *node, name string, kid *node) string {
	for base, n := range dir.live {
		if n == kid {
			return filepath.Join(name, base)
		}
	}
	return ""
}

// copy returns a world in which nothing waits for a sync.
func (w *world) copy() *world {
	return &world{root: w.root.copy(), files: map[int]*node{}}
}

func (n *node) copy() *node {
	if n.live == nil {
		return &node{data: n.data, synced: n.synced, foreign: n.foreign}
	}
	dir := newDir()
	for name, kid := range n.live {
		k := kid.copy()
		dir.live[name], dir.durable[name] = k, k
	}
	return dir
}

// Knows says whether programs saw the name when the last cut was made.
func (p *Player) Knows(name string) bool { return p.w != nil && p.w.find(name) != nil }

// Files calls f for each folder and file below the root, folders first.
func (m *Mem) Files(f func(name string, dir bool, data []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.root.walk("/", f)
}

func (n *inode) walk(name string, f func(name string, dir bool, data []byte) error) error {
	if err := f(name, n.kids != nil, n.data); err != nil {
		return err
	}
	for _, base := range slices.Sorted(maps.Keys(n.kids)) {
		if err := n.kids[base].walk(filepath.Join(name, base), f); err != nil {
			return err
		}
	}
	return nil
}
