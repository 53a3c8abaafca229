package vault

import "github.com/brockdb/brock/storage"

// MaxVersion returns the highest version in the vault: the newest cut of all its
// snapshots and runs, or how far the change log goes, 0 where there is none. Where the
// newest is damaged, it is the
// last version of the millisecond in its name. The hub's clock starts above it.
func (v *Vault) MaxVersion() (storage.Version, error) {
	names, err := v.runNames()
	if err != nil {
		return 0, err
	}
	highest, err := v.changes.Highest()
	if err != nil {
		return 0, err
	}
	raise := func(name stamp, cut func() (storage.Version, error)) {
		if name.top() <= highest {
			return
		}
		c, err := cut()
		if err != nil {
			c = name.top()
		}
		highest = max(highest, c)
	}
	for _, name := range names {
		raise(name, func() (storage.Version, error) {
			rec, err := v.readRun(name)
			return rec.Cut, err
		})
	}
	tables, err := v.folders(tablesName)
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		snaps, err := v.snapNames(table)
		if err != nil {
			return 0, err
		}
		for _, name := range snaps {
			raise(name, func() (storage.Version, error) {
				m, _, err := v.readManifest(table, name.String())
				return m.Cut, err
			})
		}
	}
	return highest, nil
}
