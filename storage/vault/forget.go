package vault

import (
	"path/filepath"
	"strings"
)

const (
	// keepRuns is how many of the newest run records stay whatever else goes; those
	// of present snapshots stay besides.
	keepRuns = 1000
	// keepRemovals is how many of a table's newest removals stay at least.
	keepRemovals = 1000
)

// forget removes records that nothing refers to: runs beyond the bound, removals
// beyond theirs whose run is forgotten, and proofs of snapshots that are gone.
func (v *Vault) forget(table string) error {
	runs, err := v.forgetRuns()
	if err != nil {
		return err
	}
	if err := v.forgetRemovals(table, runs); err != nil {
		return err
	}
	return v.forgetProofs(table)
}

// forgetRuns returns the ids of the runs whose records stay.
func (v *Vault) forgetRuns() (map[string]bool, error) {
	names, err := v.runNames()
	if err != nil {
		return nil, err
	}
	stay := map[string]bool{}
	for _, name := range names[:min(len(names), keepRuns)] {
		stay[name.run] = true
	}
	if len(names) <= keepRuns {
		return stay, nil
	}
	tables, err := v.folders(tablesName)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		snaps, err := v.snapNames(table)
		if err != nil {
			return nil, err
		}
		for _, s := range snaps {
			stay[s.run] = true
		}
	}
	var files []string
	for _, name := range names {
		if !stay[name.run] {
			files = append(files, v.runFile(name))
		}
	}
	return stay, v.unlink(files)
}

func (v *Vault) forgetRemovals(table string, runs map[string]bool) error {
	names, err := v.documents(filepath.Join(removalsName, table))
	if err != nil {
		return err
	}
	var files []string
	for _, name := range names[:max(0, len(names)-keepRemovals)] {
		if s, ok := parseStamp(name); ok && !runs[s.run] && v.gone(table, name) {
			files = append(files, v.removalFile(table, name))
		}
	}
	return v.unlink(files)
}

func (v *Vault) forgetProofs(table string) error {
	newest, err := v.readProofs(table)
	if err != nil {
		return err
	}
	names, err := v.documents(filepath.Join(proofsName, table))
	if err != nil {
		return err
	}
	var files []string
	for _, name := range names {
		file := v.path(proofsName, table, name+".json")
		snapshot, _, ok := cutProofName(name)
		if p, found := newest[snapshot]; ok && (v.gone(table, snapshot) || found && p.file != file) {
			files = append(files, file)
		}
	}
	return v.unlink(files)
}

// documents returns the names, without .json, of the documents in a folder, sorted.
func (v *Vault) documents(dir string) (names []string, err error) {
	entries, err := v.fs.ReadDir(v.path(dir))
	if err != nil && !isMissing(err) {
		return nil, cannotUse(v.dir, err)
	}
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".json"); ok && !e.IsDir() && !strings.HasPrefix(base, ".") {
			names = append(names, base)
		}
	}
	return names, nil
}

// unlink removes files of one folder, durably.
func (v *Vault) unlink(files []string) error {
	for _, f := range files {
		if err := v.fs.Remove(f); err != nil && !isMissing(err) {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	return v.fs.SyncDir(filepath.Dir(files[0]))
}
