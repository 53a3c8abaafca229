package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/storage/disk"
)

// A table's pool holds files that its snapshots share, each under the SHA-256 of its
// bytes: whatever has that name is that file, so none is ever copied twice.

// poolFile is the name of a file in the pool.
func poolFile(sum, kind string) string { return sum + "." + kind }

// fromPoolFile reads what poolFile wrote.
func fromPoolFile(name string) (sum, kind string, ok bool) {
	sum, kind, ok = strings.Cut(name, ".")
	return sum, kind, ok && isHash(sum) && (kind == KindTable || kind == KindValueLog)
}

func (v *Vault) poolDir(table string) string { return v.path(tablesName, table, poolName) }

// fileOf is where a snapshot's file lies.
func (v *Vault) fileOf(m *Manifest, f *FileInfo) string {
	if f.pooled() {
		return filepath.Join(v.poolDir(m.Table), f.Name)
	}
	return v.path(tablesName, m.Table, snapsName, m.Snapshot, f.Name)
}

// liveFile names a file of an open store: only while that is open do ids identify.
type liveFile struct {
	instance string
	kind     string
	id       uint64
	size     int64
}

// pooled is a live file that was copied before.
type pooled struct {
	sum  string
	logs map[uint32]int64
}

// poolFresh is a live file on its way into the pool.
type poolFresh struct {
	live liveFile
	pooled
	tmp  string
	file disk.File // written, and not synced yet; nil where the pool has it
}

// poolCopy begins to bring a live file into the pool, unless the pool has it; poolKeep
// ends that. copy checks what it copies.
func (v *Vault) poolCopy(ctx context.Context, table string, f liveFile, o WriteOptions, copy func(io.Writer) (map[uint32]int64, error)) (n poolFresh, err error) {
	v.mu.Lock()
	p, known := v.pools[f]
	v.mu.Unlock()
	n = poolFresh{live: f, pooled: p}
	if known && v.inPool(table, p.sum, f.kind, f.size) {
		return n, nil
	}
	n.tmp = filepath.Join(v.poolDir(table), fmt.Sprintf("%s%016x", disk.TempPrefix, random64()))
	if n.file, err = v.fs.Create(n.tmp); err != nil {
		return n, err
	}
	s := &sink{ctx: ctx, file: n.file, sum: sha256.New(), pace: o.Pace}
	n.logs, err = copy(s)
	n.sum = hex.EncodeToString(s.sum.Sum(nil))
	if err != nil {
		return n, v.poolDrop(&n, err)
	}
	disk.StartWriteback(n.file)
	return n, nil
}

// poolDrop removes what poolCopy has begun.
func (v *Vault) poolDrop(n *poolFresh, cause error) error {
	if n.file == nil {
		return cause
	}
	err := errors.Join(cause, n.file.Close(), v.fs.RemoveAll(n.tmp))
	n.file = nil
	return err
}

// poolKeep makes the file durable and gives it its name. It returns how many bytes the
// pool has grown by.
func (v *Vault) poolKeep(table string, n *poolFresh) (wrote int64, err error) {
	if n.file == nil {
		return 0, nil
	}
	if err := n.file.Sync(); err != nil {
		return 0, v.poolDrop(n, err)
	}
	if err := n.file.Close(); err != nil {
		n.file = nil
		return 0, errors.Join(err, v.fs.RemoveAll(n.tmp))
	}
	n.file = nil
	if !v.inPool(table, n.sum, n.live.kind, n.live.size) {
		wrote = n.live.size
	}
	// Over one that is there: it has these bytes, or it has rotted.
	if err := v.fs.Rename(n.tmp, filepath.Join(v.poolDir(table), poolFile(n.sum, n.live.kind))); err != nil {
		return 0, errors.Join(err, v.fs.RemoveAll(n.tmp))
	}
	v.mu.Lock()
	v.pools[n.live] = n.pooled
	v.mu.Unlock()
	return wrote, nil
}

func (v *Vault) inPool(table, sum, kind string, size int64) bool {
	info, err := v.fs.Stat(filepath.Join(v.poolDir(table), poolFile(sum, kind)))
	return err == nil && info.Size() == size
}

// forgetInstances drops what is known of stores other than the one that is open.
func (v *Vault) forgetInstances(table, instance string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.instances[table]
	if v.instances[table] = instance; old == "" || old == instance {
		return
	}
	for f := range v.pools {
		if f.instance == old {
			delete(v.pools, f)
		}
	}
}

// cleanPool removes the pool's files that no snapshot of the table needs. Where a
// manifest cannot be read, all of them stay.
func (v *Vault) cleanPool(table string) error {
	v.pooling.Lock()
	defer v.pooling.Unlock()
	entries, err := v.fs.ReadDir(v.poolDir(table))
	if isMissing(err) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := v.snapNames(table)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, name := range names {
		m, _, err := v.readManifest(table, name.String())
		if err != nil {
			return nil //nolint:nilerr // Verify reports it; until then nothing may go
		}
		for _, f := range m.Files {
			needed[f.Name] = true
		}
	}
	var files []string
	for _, e := range entries {
		if _, _, ok := fromPoolFile(e.Name()); ok && !needed[e.Name()] {
			files = append(files, filepath.Join(v.poolDir(table), e.Name()))
		}
	}
	return v.unlink(files)
}
