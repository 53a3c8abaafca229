package power

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyTree copies a folder. Blocks of nothing stay holes: Badger's files are mostly that.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

const block = 64 << 10

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buf := make([]byte, block)
	for off := int64(0); ; {
		if at, err := in.Seek(off, 3); err == nil { // SEEK_DATA, where the system has it
			off = at
		}
		n, err := in.ReadAt(buf, off)
		for _, b := range buf[:n] {
			if b != 0 {
				if _, err := out.WriteAt(buf[:n], off); err != nil {
					return err
				}
				break
			}
		}
		if off += int64(n); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return out.Truncate(info.Size())
}
