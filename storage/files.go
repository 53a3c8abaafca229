package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// spareFiles is how many files Badger is left to open besides those of the store: in
// some places one that it cannot open ends the process.
const spareFiles = 32

// openBadger opens the store in dir where the process may open enough files for it.
func openBadger(dir, table string, b badger.Options) (*badger.DB, error) {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("table %s: %w", table, err)
	}
	n := len(names) + spareFiles
	for _, e := range names {
		if filepath.Ext(e.Name()) == ".sst" {
			n++ // which the check of what is read opens once more
		}
	}
	if err := enoughFiles(dir, table, n); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(b)
	if err != nil {
		return nil, openError(table, dir, err)
	}
	return db, nil
}

// enoughFiles finds out whether the process may open n more files, by opening them: the
// error matches syscall.EMFILE, or what else is in the way.
func enoughFiles(dir, table string, n int) (err error) {
	files := make([]*os.File, 0, n)
	for len(files) < n && err == nil {
		var f *os.File
		if f, err = os.Open(os.DevNull); err == nil {
			files = append(files, f)
		}
	}
	for _, f := range files {
		_ = f.Close()
	}
	if err != nil {
		return fmt.Errorf("table %s: the store %s needs %d open files, and %d may be opened; raise the limit (ulimit -n): %w", table, filepath.Base(dir), n, len(files), err)
	}
	return nil
}
