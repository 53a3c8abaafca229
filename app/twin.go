package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/zeebo/xxh3"
)

// Without its list of tables and its credentials a hub does not start, and nothing else
// has them. So each has a copy beside it, with a checksum, that is written after it. Where
// the two differ and the file is the newer one, a person has changed it, or a kill came
// between: it counts. A file that is not newer, or is none, has rotted: then the copy does.
const (
	twinSuffix = ".copy"
	twinMagic  = "BROCKTWN"
)

// writeTwin replaces the file, and its copy; what is there already is not written again.
func writeTwin(fsys disk.FS, path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if old, err := disk.ReadFile(fsys, path); err != nil || !bytes.Equal(old, b) {
		if err := disk.WriteAtomic(fsys, path, b); err != nil {
			return err
		}
	}
	twin := binary.BigEndian.AppendUint64([]byte(twinMagic), xxh3.Hash(b))
	twin = append(twin, b...)
	if old, err := disk.ReadFile(fsys, path+twinSuffix); err == nil && bytes.Equal(old, twin) {
		return nil
	}
	return disk.WriteAtomic(fsys, path+twinSuffix, twin)
}

// readTwin reads a file that writeTwin wrote, or its copy; rotten says why it had to be
// that. The error matches fs.ErrNotExist where there is neither.
func readTwin[T any](fsys disk.FS, path string) (v T, rotten, err error) {
	b, err := disk.ReadFile(fsys, path)
	if err == nil {
		v, err = parse[T](path, b)
	}
	twin, ok := readCopy(fsys, path)
	switch {
	case !ok, err == nil && bytes.Equal(b, twin):
		return v, nil, err
	case err != nil:
		rotten = err
	case changed(fsys, path).After(changed(fsys, path+twinSuffix)):
		return v, nil, nil
	default:
		rotten = fmt.Errorf("%s: is not what was written", path)
	}
	v, err = parse[T](path+twinSuffix, twin)
	return v, rotten, err
}

func parse[T any](path string, b []byte) (v T, err error) {
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// readCopy returns what the copy of a file holds; ok is false where it is none.
func readCopy(fsys disk.FS, path string) (b []byte, ok bool) {
	twin, err := disk.ReadFile(fsys, path+twinSuffix)
	head := len(twinMagic) + 8
	if err != nil || len(twin) < head || string(twin[:len(twinMagic)]) != twinMagic {
		return nil, false
	}
	b = twin[head:]
	return b, binary.BigEndian.Uint64(twin[len(twinMagic):head]) == xxh3.Hash(b)
}

// changed is when the file was written last; long ago where nobody knows.
func changed(fsys disk.FS, path string) time.Time {
	info, err := fsys.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// rotted reports a file whose copy had to be used, which is written anew.
func (h *Hub) rotted(path string, why error) {
	if why != nil {
		h.log.Error("a file has rotted or is missing; its copy is used, and the file written anew", "file", path, "err", why)
	}
}

// passClock moves a clock's mark that has rotted out of the way: the clock then starts
// above every table's and the vault's last version, and the wall clock's time.
func (h *Hub) passClock(damage error) error {
	file := h.path(clockFile)
	h.log.Error("the clock's mark has rotted; versions go on above all that is known", "file", file, "err", damage)
	if err := h.fs().Rename(file, file+".damaged"); err != nil {
		return errors.Join(damage, err)
	}
	return h.fs().SyncDir(h.cfg.Data)
}
