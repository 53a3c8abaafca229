package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/storage/disk"
)

// Badger writes through mappings: where the disk is full, that ends the process. So it
// is asked for nothing that may not fit.

// spaceStep is how much a store in the making takes between two looks at the free space.
const spaceStep = 4 << 20

// manyMemories is what the memtables of one store hold at most.
const manyMemories = 4 * memTableBytes

// openSlack is what Badger may write at an open or close besides memtables: a new log of
// a memtable, a line in the MANIFEST.
const openSlack = 1 << 20

// EnoughSpace returns an error that matches [ErrNoSpace] where less is free below the
// folder than MinFree.
func (o Options) EnoughSpace(dir, table string) error {
	return o.withDefaults().enoughSpace(dir, table)
}

func (o Options) enoughSpace(dir, table string) error {
	free, short, err := o.short(dir, table, 0)
	if !short {
		return err
	}
	return fmt.Errorf("table %s: %w: %d MiB free, %d MiB are kept back; free some space, writes go on by themselves", table, ErrNoSpace, free>>20, o.MinFree>>20)
}

// short says whether less is free than MinFree and so many bytes.
func (o Options) short(dir, table string, bytes uint64) (free uint64, short bool, err error) {
	if o.MinFree < 0 {
		return 0, false, nil
	}
	if free, err = o.Free(dir); err != nil {
		return 0, false, fmt.Errorf("table %s: %w: cannot ask for free space: %w", table, ErrUnavailable, err)
	}
	return free, free < uint64(o.MinFree)+bytes, nil
}

// SpaceToBuild returns an error that matches [ErrNoSpace] where so many bytes more below
// the folder would leave less free than MinFree.
func (o Options) SpaceToBuild(dir, table string, bytes int64) error {
	return o.withDefaults().spaceToBuild(dir, table, max(bytes, 0))
}

func (o Options) spaceToBuild(dir, table string, bytes int64) error {
	free, short, err := o.short(dir, table, uint64(bytes))
	if !short {
		return err
	}
	return fmt.Errorf("table %s: %w: a store needs %d MiB more, %d MiB are free below %s, %d MiB are kept back; free some space and try again",
		table, ErrNoSpace, (bytes+1<<20-1)>>20, free>>20, filepath.Dir(dir), o.MinFree>>20)
}

// spaceForMemory returns an error that matches [ErrNoSpace] where what the store's
// memtables hold may not fit on the disk as tables. An open writes them, and a close.
func (o Options) spaceForMemory(dir, table, what string) error {
	if o.MinFree < 0 {
		return nil
	}
	need := memoryBytes(dir) + openSlack
	free, err := o.Free(dir)
	if err != nil {
		return fmt.Errorf("table %s: %w: cannot ask for free space: %w", table, ErrUnavailable, err)
	}
	if free < need {
		return fmt.Errorf("table %s: %w: %s needs %d MiB, %d MiB are free; free some space, then it goes on by itself", table, ErrNoSpace, what, (need+1<<20-1)>>20, free>>20)
	}
	return nil
}

// memoryBytes is what the logs of memtables take up on the disk.
func memoryBytes(dir string) (n uint64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0 // whoever opens the store will say so
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".mem") {
			continue
		}
		if real, _, err := disk.Usage(filepath.Join(dir, e.Name())); err == nil {
			n += uint64(real) * 9 / 8 // a table has an index and a filter besides
		}
	}
	return n
}
