package vault

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/brockdb/brock/storage/disk"
)

// readRuns reads all run records.
func (c *verifier) readRuns() error {
	names, err := c.v.runNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		rec, err := c.v.readRun(name)
		if err != nil {
			if !isMissing(err) {
				c.report("", "", c.v.runFile(name), err)
			}
			continue
		}
		c.records = append(c.records, rec.Manifests...)
		for _, m := range rec.Manifests {
			c.hashes[path.Join(m.Table, m.Snapshot)] = m.SHA256
		}
		c.logged = max(c.logged, rec.LogThrough)
		c.previous(names, rec.Previous)
	}
	return nil
}

// previous reports a run record, the newest when another one was written, that is gone
// and is none of those (names, newest first) that retention may have forgotten.
func (c *verifier) previous(names []stamp, name string) {
	s, ok := parseStamp(name)
	if !ok || slices.Contains(names, s) {
		return
	}
	newer := 0
	for newer < len(names) && names[newer].String() > name {
		newer++
	}
	if newer < keepRuns {
		c.report("", "", c.v.runFile(s), errors.New("the record of a run is missing: a copy of it, if there is one, can be put back; snapshots are not concerned"))
	}
}

// missing reports recorded snapshots that are gone without a record of removal.
func (c *verifier) missing(chosen []string) {
	for _, m := range c.records {
		if !c.all && !slices.Contains(chosen, m.Table) || !c.v.gone(m.Table, m.Snapshot) {
			continue
		}
		_, err := c.v.readRemoval(m.Table, m.Snapshot)
		switch {
		case isMissing(err):
			c.report(m.Table, m.Snapshot, c.v.snapDir(m.Table, m.Snapshot),
				fmt.Errorf("the snapshot is recorded and is missing, and so is %s, which would say that retention removed it: a copy of its folder, if there is one, can be put back", c.v.relative(c.v.removalFile(m.Table, m.Snapshot))))
		case disk.IsUnreadable(err): // a damaged one is told of with all records of removals
			c.report(m.Table, m.Snapshot, c.v.removalFile(m.Table, m.Snapshot), err)
		}
	}
}
