package vault

import (
	"fmt"

	"github.com/brockdb/brock/storage"
)

// looks is what a listing has looked at: snapshots that go on from one share it.
type looks struct {
	snaps map[string]look
	pools map[string]map[string]int64 // the sizes of a pool's files
}

type look struct {
	snap Snapshot
	err  error
}

func newLooks() looks { return looks{map[string]look{}, map[string]map[string]int64{}} }

// lookAt checks one snapshot as far as it can without reading its data.
func (v *Vault) lookAt(seen looks, table, name string) (Snapshot, error) {
	l, ok := seen.snaps[name]
	if !ok {
		l.snap, l.err = v.lookOnce(seen, table, name)
		seen.snaps[name] = l
	}
	return l.snap, l.err
}

func (v *Vault) lookOnce(seen looks, table, name string) (Snapshot, error) {
	m, sum, err := v.readManifest(table, name)
	if err != nil {
		return Snapshot{Path: v.snapDir(table, name)}, err
	}
	s := v.snapshotOf(m, sum)
	for _, f := range m.Files {
		file := v.fileOf(&m, &f)
		size, err := v.sizeOf(seen, &m, &f)
		if err != nil {
			return s, &storage.DamageError{Table: table, File: file, Problem: "is missing or cannot be read", Err: err}
		}
		if size != f.Size {
			return s, &storage.DamageError{Table: table, File: file, Problem: fmt.Sprintf("has %d bytes, the manifest says %d", size, f.Size)}
		}
	}
	if m.Base == nil {
		return s, nil
	}
	_, release, err := v.baseOf(seen, &m)
	if err == nil {
		release()
	}
	return s, err
}

func (v *Vault) sizeOf(seen looks, m *Manifest, f *FileInfo) (int64, error) {
	if f.pooled() {
		if size, ok := seen.pool(v, m.Table)[f.Name]; ok {
			return size, nil
		}
	}
	info, err := v.fs.Stat(v.fileOf(m, f))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// pool returns the sizes of what lies in a table's pool: to list a folder costs less than
// to ask for hundreds of its files by their paths. What it does not tell is asked for.
func (l looks) pool(v *Vault, table string) map[string]int64 {
	if sizes, ok := l.pools[table]; ok {
		return sizes
	}
	sizes := map[string]int64{}
	l.pools[table] = sizes
	entries, _ := v.fs.ReadDir(v.poolDir(table))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sizes[e.Name()] = info.Size()
		}
	}
	return sizes
}
