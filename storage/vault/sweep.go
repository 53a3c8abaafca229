package vault

import (
	"path"
	"path/filepath"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// sweep removes temporary names wherever the vault makes them, and nothing else.
// It returns them as reports show names.
func (v *Vault) sweep() ([]string, error) {
	dirs := []string{"", runsName, tablesName, proofsName, removalsName, logName}
	tables, err := v.folders(tablesName)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		dirs = append(dirs, path.Join(tablesName, t), path.Join(tablesName, t, snapsName), path.Join(tablesName, t, poolName))
	}
	for _, kind := range []string{proofsName, removalsName} {
		tables, err := v.folders(kind)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			dirs = append(dirs, path.Join(kind, t))
		}
	}
	var swept []string
	for _, dir := range dirs {
		names, err := disk.Sweep(v.fs, v.path(filepath.FromSlash(dir)))
		for _, name := range names {
			swept = append(swept, path.Join(dir, name))
		}
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

// folders returns the names of tables that have a folder in the named one, sorted. That
// one is missing until the first backup.
func (v *Vault) folders(kind string) (names []string, err error) {
	entries, err := v.fs.ReadDir(v.path(kind))
	if err != nil && !isMissing(err) {
		return nil, cannotUse(v.dir, err)
	}
	for _, e := range entries {
		if e.IsDir() && storage.CheckTableName(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
