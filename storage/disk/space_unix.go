//go:build unix

package disk

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// Free returns the bytes that an unprivileged user may still write below dir, and
// the size of the whole file system.
func Free(dir string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// Usage returns the bytes that the files below dir occupy on the disk (real) and
// the sum of their lengths (apparent). Badger's files are sparse: the two differ
// by far. Files that vanish while it looks are not counted.
func Usage(dir string) (real, apparent int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if path == dir {
				return err
			}
			return nil
		}
		var st syscall.Stat_t
		if syscall.Lstat(path, &st) == nil {
			real += st.Blocks * 512
			apparent += st.Size
		}
		return nil
	})
	return real, apparent, err
}

// SameDevice says whether both paths lie on one file system, and so are lost together.
func SameDevice(a, b string) (bool, error) {
	var sa, sb syscall.Stat_t
	if err := syscall.Stat(a, &sa); err != nil {
		return false, err
	}
	if err := syscall.Stat(b, &sb); err != nil {
		return false, err
	}
	return sa.Dev == sb.Dev, nil
}
