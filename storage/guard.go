package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// guard refuses what Badger's open would take for an empty store: a folder that is
// not there, or one whose MANIFEST is gone (Badger would delete every table file).
func guard(dir, table string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return lost(table, dir)
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", table, err)
	}
	if len(entries) == 0 {
		return lost(table, dir)
	}
	whole := false
	for _, e := range entries {
		whole = whole || e.Name() == badger.ManifestFilename
		if err := dropUnborn(dir, e); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	if whole {
		return nil
	}
	return &DamageError{Table: table, File: filepath.Join(dir, badger.ManifestFilename),
		Problem: "the file is missing; Badger would take the store for empty and delete its data; restore the table"}
}

// lost says that nothing is where a table was.
func lost(table, path string) error {
	return fmt.Errorf("table %s: %w: %s; mount its disk, restore the table, or start fresh to let it begin empty", table, ErrLost, path)
}

// dropUnborn removes a memtable's file of no bytes: a kill between making and
// sizing it leaves one, it holds nothing, and Badger would fail to open (and leave
// goroutines behind).
func dropUnborn(dir string, e os.DirEntry) error {
	if !strings.HasSuffix(e.Name(), ".mem") {
		return nil
	}
	if info, err := e.Info(); err != nil || info.Size() > 0 {
		return err
	}
	return os.Remove(filepath.Join(dir, e.Name()))
}

// openError gives Badger's error on open its kind. Badger wraps by formatting, so
// only the text is left to tell an error of the system from damage; a wrong guess
// for damage would offer a restore where a retry helps.
func openError(table, dir string, err error) error {
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "cannot acquire directory lock") {
		return fmt.Errorf("table %s: %s: %w", table, dir, ErrLocked)
	}
	for _, s := range []string{"permission denied", "no space left", "too many open files", "input/output error", "read-only file system", "cannot allocate memory"} {
		if strings.Contains(text, s) {
			return fmt.Errorf("table %s: %w: %w", table, ErrUnavailable, err)
		}
	}
	return &DamageError{Table: table, File: dir, Problem: "Badger cannot open the store", Err: err}
}
