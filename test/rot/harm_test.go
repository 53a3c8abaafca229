package rot

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// harm is one act of damage to a data directory. It says all that a child needs to do it.
type harm struct {
	What  string // flip, cut, zero, remove, swap, stale
	File  string
	Other string // that it is exchanged with
	At    int    // bit of a flip, offset of zeros, length of what is left
	Size  int    // of the zeros
	Stale []byte // the older content
}

func (h harm) String() string {
	switch h.What {
	case "flip", "cut":
		return fmt.Sprintf("%s %s at %d", h.What, h.File, h.At)
	case "zero":
		return fmt.Sprintf("zero %s, %d at %d", h.File, h.Size, h.At)
	case "swap":
		return fmt.Sprintf("swap %s and %s", h.File, h.Other)
	}
	return h.What + " " + h.File
}

// makeHarm makes up a harm as the seed and the index say; older has stale copies. What
// runs is hurt in the files of one store alone: Brock reads its own at its start.
func makeHarm(im, older image, index int, running bool) harm {
	rng := rand.New(rand.NewPCG(*seed, uint64(index)))
	kinds := map[string][]string{}
	for _, name := range im.names() {
		store := path.Base(path.Dir(path.Dir(name))) == "store"
		if !running || store && liveKind(name) != "LOCK" {
			kinds[liveKind(name)] = append(kinds[liveKind(name)], name)
		}
	}
	var order []string
	for k := range kinds {
		order = append(order, k)
	}
	slices.Sort(order)
	// What most damage hits: half of all in tables, value logs, memtables and manifests.
	often := []string{".sst", ".vlog", ".mem", "MANIFEST"}
	for {
		k := order[rng.IntN(len(order))]
		if rng.IntN(2) == 0 {
			k = often[rng.IntN(len(often))]
		}
		if len(kinds[k]) == 0 {
			continue
		}
		h := harm{File: kinds[k][rng.IntN(len(kinds[k]))]}
		if h.fill(rng, im, older, kinds[k]) {
			return h
		}
	}
}

// fill makes up the rest; ok is false where nothing would change.
func (h *harm) fill(rng *rand.Rand, im, older image, alike []string) (ok bool) {
	b := im[h.File]
	switch n := rng.IntN(100); {
	case n < 45:
		h.What, h.At = "flip", rng.IntN(8*max(1, len(b.data)))
		return len(b.data) > 0
	case n < 60:
		h.What, h.At = "cut", rng.IntN(max(1, len(b.data)))
		return len(b.data) > 0
	case n < 75:
		h.What, h.Size = "zero", 1<<(4+rng.IntN(9))
		h.At = rng.IntN(max(1, len(b.data))) / h.Size * h.Size
		return len(b.data) > 0 && len(bytes.Trim(b.data[h.At:min(h.At+h.Size, len(b.data))], "\x00")) > 0
	case n < 82:
		h.What = "remove"
		return true
	case n < 90:
		h.What, h.Other = "swap", alike[rng.IntN(len(alike))]
		return !bytes.Equal(im[h.Other].data, b.data)
	default:
		old, there := older[h.File]
		h.What, h.Stale = "stale", append(slices.Clone(old.data), make([]byte, old.size-len(old.data))...)
		return there && !bytes.Equal(old.data, b.data) && old.size < 1<<20 || there && !bytes.Equal(old.data, b.data) && h.trim(old)
	}
}

// trim leaves the zeros at the end of a large stale file to who writes it.
func (h *harm) trim(old blob) bool {
	h.Stale, h.Size = old.data, old.size
	return true
}

// do damages the directory. As with a disk that rots or loses writes, files keep the time
// of their last change.
func (h harm) do(dir string) error {
	file := filepath.Join(dir, h.File)
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if err := h.hurt(dir, file); err != nil || h.What == "remove" || h.What == "swap" {
		return err
	}
	return os.Chtimes(file, info.ModTime(), info.ModTime())
}

func (h harm) hurt(dir, file string) error {
	switch h.What {
	case "flip":
		return overwrite(file, h.At/8, 1, func(b []byte) { b[0] ^= 1 << (h.At % 8) })
	case "cut":
		return os.Truncate(file, int64(h.At))
	case "zero":
		return overwrite(file, h.At, h.Size, func(b []byte) { clear(b) })
	case "remove":
		return os.Remove(file)
	case "swap":
		other := filepath.Join(dir, h.Other)
		if err := os.Rename(file, file+"~"); err != nil {
			return err
		}
		if err := os.Rename(other, file); err != nil {
			return err
		}
		return os.Rename(file+"~", other)
	}
	if err := os.WriteFile(file, h.Stale, 0o600); err != nil || h.Size == 0 {
		return err
	}
	return os.Truncate(file, int64(h.Size))
}

// overwrite changes bytes of a file in place, as who has it mapped sees it.
func overwrite(file string, at, n int, change func([]byte)) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, n)
	if n, err = f.ReadAt(b, int64(at)); n == 0 {
		return err
	}
	change(b[:n])
	_, err = f.WriteAt(b[:n], int64(at))
	return err
}
