package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"golang.org/x/time/rate"
)

// SnapshotSpec says what a snapshot is to be.
type SnapshotSpec struct {
	Table  string
	Run    string // see [NewRunID]
	Cut    storage.Version
	Ledger storage.Ledger // the table's at the cut
}

func (s SnapshotSpec) check() error {
	if err := storage.CheckTableName(s.Table); err != nil {
		return err
	}
	if s.Cut == 0 || s.Cut > storage.MaxVersion || s.Ledger.Version > s.Cut {
		return fmt.Errorf("table %s: %w: cut %d with a ledger at %d", s.Table, storage.ErrInvalid, s.Cut, s.Ledger.Version)
	}
	return checkRunID(s.Run)
}

// WriteOptions of [Vault.WriteSnapshot]; the zero value works.
type WriteOptions struct {
	// Progress is told, on the caller's goroutine and now and then, how many bytes of
	// keys and values are done, and how many there are by the ledger.
	Progress func(done, total int64)
	// Pace waits until so many bytes may be written, or ctx ends; nil: at once. Several
	// snapshots may share one, and each asks it from several goroutines. See [Pace].
	Pace func(ctx context.Context, bytes int) error
}

// NewLimiter returns a limiter for so many bytes per second, nil (no limit) for 0
// or less.
func NewLimiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/4, 4<<10), 1<<20)))
}

// Pace lets bytes through as the limiter does, however many they are.
func Pace(l *rate.Limiter) func(ctx context.Context, bytes int) error {
	return func(ctx context.Context, left int) error {
		for left > 0 {
			n := min(left, l.Burst())
			if err := l.WaitN(ctx, n); err != nil {
				return err
			}
			left -= n
		}
		return nil
	}
}

// Source is a table at a cut.
type Source struct {
	Entries iter.Seq2[storage.Entry, error] // its records, ascending by key
	Image   *storage.Image                  // its files; nil: only records are copied
}

// WriteSnapshot makes a new snapshot of the table: of its files where they are worth
// it, or as an earlier snapshot plus the change log where little has changed since,
// or else of its records. On return without an error it is complete, checked and
// durable.
//
// It refuses with a [storage.DamageError] when a record does not match its own
// checksum, is newer than the cut or out of order, when a file does not match
// Badger's checksums, and when copied records do not agree with spec.Ledger. Then,
// and when ctx ends, a write fails or entries yields an error (which is returned),
// nothing is left of it.
func (v *Vault) WriteSnapshot(ctx context.Context, spec SnapshotSpec, src Source, o WriteOptions) (Snapshot, error) {
	leave, err := v.enter()
	if err != nil {
		return Snapshot{}, err
	}
	defer leave()
	if err := spec.check(); err != nil {
		return Snapshot{}, err
	}
	name := SnapshotName(spec.Cut, spec.Run)
	final := v.snapDir(spec.Table, name)
	if _, err := v.fs.Stat(final); err == nil {
		return Snapshot{}, fmt.Errorf("snapshot %s of table %s: %w: take a new run id", name, spec.Table, ErrExists)
	} else if !isMissing(err) {
		return Snapshot{}, cannotUse(v.dir, err)
	}
	v.pooling.RLock()
	defer v.pooling.RUnlock()
	tmp := v.snapDir(spec.Table, disk.TempPrefix+name)
	m, sum, err := v.buildSnapshot(ctx, spec, tmp, src, o)
	if err == nil {
		err = v.commitDir(tmp, final)
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("back up table %s into %s: %w", spec.Table, v.dir, errors.Join(err, v.fs.RemoveAll(tmp)))
	}
	return v.snapshotOf(m, sum), nil
}

// imageMin is from which size on, in bytes, files are copied rather than records.
const imageMin = 2 << 20

func (v *Vault) buildSnapshot(ctx context.Context, spec SnapshotSpec, tmp string, src Source, o WriteOptions) (Manifest, string, error) {
	if base, ok := v.base(ctx, spec); ok {
		return v.buildChain(spec, tmp, base)
	}
	// Files that are mostly dead records cost more than a scan of the live ones.
	if img := src.Image; img != nil {
		if err := img.Measure(); err != nil {
			return Manifest{}, "", err
		}
		if img.Bytes >= v.imageMin && uint64(img.Bytes) < 4*spec.Ledger.Bytes {
			return v.buildImage(ctx, spec, tmp, img, o)
		}
	}
	return v.buildFrames(ctx, spec, tmp, src.Entries, o)
}

func (v *Vault) newManifest(spec SnapshotSpec) Manifest {
	return Manifest{Format: manifestFormat, Vault: v.mark.Vault, Hub: v.mark.Hub, Table: spec.Table, Run: spec.Run,
		Snapshot: SnapshotName(spec.Cut, spec.Run), Cut: spec.Cut, CutAt: spec.Cut.Time(), Ledger: spec.Ledger}
}

// buildFrames makes all of a snapshot of records in the folder tmp, durable but for
// tmp's name.
func (v *Vault) buildFrames(ctx context.Context, spec SnapshotSpec, tmp string, entries iter.Seq2[storage.Entry, error], o WriteOptions) (Manifest, string, error) {
	m := v.newManifest(spec)
	if err := v.freshDir(tmp); err != nil {
		return m, "", err
	}
	p, err := newPartsWriter(ctx, v.fs, tmp, spec, v.partSize, o)
	if err != nil {
		return m, "", err
	}
	if err := p.copy(entries); err != nil {
		return m, "", errors.Join(err, p.abandon())
	}
	m.Files = p.files
	m.NewBytes = m.bytes()
	sum, err := v.writeManifest(tmp, m)
	return m, sum, err
}

// writeManifest writes a snapshot's manifest, its last file.
func (v *Vault) writeManifest(tmp string, m Manifest) (sum string, err error) {
	data, sum, err := seal(m)
	if err == nil {
		err = disk.WriteSynced(v.fs, filepath.Join(tmp, manifestName), data)
	}
	if err == nil {
		err = v.fs.SyncDir(tmp)
	}
	return sum, err
}

// freshDir makes an empty folder under a temporary name.
func (v *Vault) freshDir(tmp string) error {
	if err := v.fs.RemoveAll(tmp); err != nil {
		return err
	}
	return v.fs.MkdirAll(tmp)
}

// commitDir gives a finished folder its final name. When that cannot be made
// durable it is taken back, so that a failed backup is not listed.
func (v *Vault) commitDir(tmp, final string) error {
	if err := v.fs.Rename(tmp, final); err != nil {
		return err
	}
	if err := v.fs.SyncDir(filepath.Dir(final)); err != nil {
		return errors.Join(err, v.fs.Rename(final, tmp))
	}
	return nil
}

// snapshotOf is a manifest as lists show it.
func (v *Vault) snapshotOf(m Manifest, sum string) Snapshot {
	base, baseCut := "", storage.Version(0)
	if m.Base != nil {
		base, baseCut = m.Base.Snapshot, m.Base.Cut
	}
	return Snapshot{Base: base, baseCut: baseCut, NewBytes: m.NewBytes, Table: m.Table, Name: m.Snapshot, Run: m.Run, Cut: m.Cut, CutAt: At(m.CutAt), Records: m.Ledger.Records,
		Bytes: m.bytes(), Path: v.snapDir(m.Table, m.Snapshot), ManifestSHA256: sum, Ledger: m.Ledger}
}
