package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/brockdb/brock/test/bench/records"
)

func order(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// write puts the records of the generation, 10,000 at a time, sorted, as a loader would.
func write(s store, which []int, generation int) error {
	for part := range slices.Chunk(which, 10_000) {
		part = slices.SortedFunc(slices.Values(part), func(a, b int) int { return bytes.Compare(records.Key(a), records.Key(b)) })
		var keys, values [][]byte
		for _, i := range part {
			keys, values = append(keys, records.Key(i)), append(values, records.Value(i, generation))
		}
		if err := s.put(keys, values); err != nil {
			return err
		}
	}
	return nil
}

// copyAll copies a file or folder and syncs each file.
func copyAll(from, to string) error {
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

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
