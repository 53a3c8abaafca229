package vault

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// layout reports what is wrong at the vault's top and in the folder of run records.
func (c *verifier) layout() {
	if _, ok, err := readMarker(c.v.fs, c.v.dir); err != nil || !ok {
		if err == nil {
			err = errors.New("is missing")
		}
		c.report("", "", c.v.path(markerName), err)
	}
	c.strangers(c.v.dir, "", "", func(name string, dir bool) bool {
		if dir {
			return slices.Contains([]string{runsName, tablesName, proofsName, removalsName, logName, "lost+found"}, name)
		}
		return name == markerName || name == lockName
	})
	c.strangers(c.v.path(runsName), "", "", func(name string, dir bool) bool {
		_, ok := parseStamp(strings.TrimSuffix(name, ".json"))
		return ok && !dir && strings.HasSuffix(name, ".json")
	})
	for _, kind := range []string{tablesName, proofsName, removalsName} {
		c.strangers(c.v.path(kind), "", "", func(name string, dir bool) bool {
			return dir && storage.CheckTableName(name) == nil
		})
	}
}

// tableLayout reports what does not belong into a table's folder.
func (c *verifier) tableLayout(table string) {
	c.strangers(c.v.path(tablesName, table), table, "", func(name string, dir bool) bool {
		return dir && (name == snapsName || name == poolName)
	})
	c.strangers(c.v.snapsDir(table), table, "", func(name string, dir bool) bool {
		_, ok := parseStamp(name)
		return ok && dir
	})
	c.strangers(c.v.path(tablesName, table, poolName), table, "", func(name string, dir bool) bool {
		_, _, ok := fromPoolFile(name)
		return ok && !dir
	})
}

// strays reads the pool's files that no snapshot has: a crash may leave such a file, and
// the next snapshot may take it.
func (c *verifier) strays(table string) {
	dir := c.v.path(tablesName, table, poolName)
	entries, err := c.v.fs.ReadDir(dir)
	if err != nil && !isMissing(err) { // tableLayout may have been luckier
		c.report(table, "", dir, err)
	}
	for _, e := range entries {
		sum, kind, ok := fromPoolFile(e.Name())
		info, err := e.Info()
		if _, read := c.pool[table+"/"+e.Name()]; !ok || read || err != nil {
			continue
		}
		f := FileInfo{Name: e.Name(), Kind: kind, Size: info.Size(), SHA256: sum}
		n, err := c.v.readPlain(c.ctx, &Manifest{Table: table}, &f, io.Discard)
		c.rep.Bytes += n
		if err != nil && !isMissing(err) && c.ctx.Err() == nil {
			c.report(table, "", c.v.fileOf(&Manifest{Table: table}, &f), err)
		}
	}
}

// strangers reports entries of a folder that belong cannot place. Temporary names
// are unfinished work, not strangers; a missing folder has none.
func (c *verifier) strangers(dir, table, snapshot string, belongs func(name string, dir bool) bool) {
	entries, err := c.v.fs.ReadDir(dir)
	if err != nil {
		if !isMissing(err) {
			c.report(table, snapshot, dir, err)
		}
		return
	}
	for _, e := range entries {
		if !e.IsDir() && !e.Type().IsRegular() {
			c.report(table, snapshot, filepath.Join(dir, e.Name()), errors.New("is a link or a device: a backup that lies elsewhere is none; put the files themselves here"))
			continue
		}
		if !strings.HasPrefix(e.Name(), disk.TempPrefix) && !belongs(e.Name(), e.IsDir()) {
			c.report(table, snapshot, filepath.Join(dir, e.Name()), errors.New("is no part of the vault: move it elsewhere"))
		}
	}
}

// documented are the tables whose proofs and removals are to be read.
func (c *verifier) documented(chosen []string) ([]string, error) {
	if !c.all {
		return chosen, nil
	}
	proofs, err := c.v.folders(proofsName)
	removals, err2 := c.v.folders(removalsName)
	tables := slices.Concat(proofs, removals)
	slices.Sort(tables)
	return slices.Compact(tables), errors.Join(err, err2)
}

// documents verifies a table's proofs and removals.
func (c *verifier) documents(table string) {
	check := func(kind string, named func(base string) bool, read func(base string) error) {
		dir := c.v.path(kind, table)
		c.strangers(dir, table, "", func(name string, isDir bool) bool {
			base, ok := strings.CutSuffix(name, ".json")
			return ok && !isDir && named(base)
		})
		names, err := c.v.documents(filepath.Join(kind, table))
		if err != nil {
			c.report(table, "", dir, err)
		}
		for _, base := range names {
			if err := read(base); err != nil && named(base) && !isMissing(err) {
				c.report(table, "", filepath.Join(dir, base+".json"), err)
			}
		}
	}
	proofs := map[Proof]string{} // of those without an id
	check(proofsName, func(base string) bool { _, _, ok := cutProofName(base); return ok },
		func(base string) error {
			p, err := c.v.readProof(table, base)
			if p.file = ""; err != nil || p.ID != "" {
				return err
			}
			if first, again := proofs[p]; again {
				c.report(table, "", c.v.path(proofsName, table, first+".json"), fmt.Errorf("is a copy of %s.json, or that of it: remove one", base))
				return fmt.Errorf("is a copy of %s.json, or that of it: remove one", first)
			}
			proofs[p] = base
			return nil
		})
	check(removalsName, func(base string) bool { _, ok := parseStamp(base); return ok },
		func(base string) error { _, err := c.v.readRemoval(table, base); return err })
}
