package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/storage/disk"
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
	path := filepath.Join(dir, e.Name())
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() > 0 {
		return nil
	}
	// A store that is open makes such a file too, for a moment; only its lock, which
	// is Badger's on the folder, tells the two apart.
	lock, err := disk.TryLockDir(dir)
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		err = os.Remove(path)
	}
	return errors.Join(err, lock.Unlock())
}

// openError gives Badger's error on open its kind. Badger wraps by formatting, so
// only the text is left to tell an error of the system from damage; a wrong guess
// for damage would offer a restore where a retry helps.
func openError(table, dir string, err error) error {
	text := strings.ToLower(err.Error())
	if strings.Contains(text, "cannot acquire directory lock") {
		return fmt.Errorf("table %s: %s: %w", table, dir, ErrLocked)
	}
	if ofSystem(err) {
		return fmt.Errorf("table %s: %w: %w", table, ErrUnavailable, err)
	}
	return &DamageError{Table: table, File: dir, Problem: "Badger cannot open the store", Err: err}
}
