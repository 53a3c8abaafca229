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

// poolCopy brings a live file into the pool, unless the pool has it, and returns its
// entry and how many bytes were written. copy checks what it copies.
func (v *Vault) poolCopy(ctx context.Context, table string, f liveFile, o WriteOptions, copy func(io.Writer) (map[uint32]int64, error)) (p pooled, wrote int64, err error) {
	v.mu.Lock()
	p, known := v.pools[f]
	v.mu.Unlock()
	if known && v.inPool(table, p.sum, f.kind, f.size) {
		return p, 0, nil
	}
	tmp := filepath.Join(v.poolDir(table), fmt.Sprintf("%s%016x", disk.TempPrefix, random64()))
	p, err = v.copyTo(ctx, tmp, o, copy)
	if err != nil {
		return p, 0, errors.Join(err, v.fs.RemoveAll(tmp))
	}
	if !v.inPool(table, p.sum, f.kind, f.size) {
		wrote = f.size
	}
	// Over one that is there: it has these bytes, or it has rotted.
	if err := v.fs.Rename(tmp, filepath.Join(v.poolDir(table), poolFile(p.sum, f.kind))); err != nil {
		return p, 0, errors.Join(err, v.fs.RemoveAll(tmp))
	}
	v.mu.Lock()
	v.pools[f] = p
	v.mu.Unlock()
	return p, wrote, nil
}

// copyTo writes and syncs one file.
func (v *Vault) copyTo(ctx context.Context, tmp string, o WriteOptions, copy func(io.Writer) (map[uint32]int64, error)) (p pooled, err error) {
	file, err := v.fs.Create(tmp)
	if err != nil {
		return p, err
	}
	s := &sink{ctx: ctx, file: file, sum: sha256.New(), limiter: o.Limiter}
	if p.logs, err = copy(s); err == nil {
		err = file.Sync()
	}
	p.sum = hex.EncodeToString(s.sum.Sum(nil))
	return p, errors.Join(err, file.Close())
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
