package vault

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
)

// Manifest returns the checked manifest of a snapshot. It fails with a
// [NoSnapshotError] or a [storage.DamageError].
func (v *Vault) Manifest(table, snapshot string) (Manifest, error) {
	if err := checkSnapshotNames(table, snapshot); err != nil {
		return Manifest{}, err
	}
	if v.gone(table, snapshot) {
		return Manifest{}, v.noSnapshot(table, snapshot)
	}
	m, _, err := v.readManifest(table, snapshot)
	return m, v.unlessGone(err, table, snapshot)
}

// unlessGone tells damage from a snapshot that retention (another process's, where
// it is held here) took away meanwhile.
func (v *Vault) unlessGone(err error, table, snapshot string) error {
	if errors.Is(err, storage.ErrDamaged) && v.gone(table, snapshot) {
		return v.noSnapshot(table, snapshot)
	}
	return err
}

// Entries returns the manifest of a snapshot that is made of records, and those in
// ascending key order.
// Every record, frame and file is checked on the way, and the whole against the
// ledger; the last pair carries a [storage.DamageError], or ctx's error, where that
// fails. Believe the records only when the iteration has ended without one. Entries
// are the caller's to keep. The snapshot is held while the iteration runs.
func (v *Vault) Entries(ctx context.Context, table, snapshot string) (Manifest, iter.Seq2[storage.Entry, error], error) {
	m, err := v.Manifest(table, snapshot)
	if err == nil && (m.physical() || m.Base != nil) {
		err = fmt.Errorf("snapshot %s of table %s: %w: it is not made of records; build a store of it", snapshot, table, storage.ErrInvalid)
	}
	if err != nil {
		return m, nil, err
	}
	return m, func(yield func(storage.Entry, error) bool) {
		err := v.readSnapshot(ctx, &m, func(e storage.Entry, _ *storage.Record, _ storage.Hash) error {
			if !yield(e, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(storage.Entry{}, err)
		}
	}, nil
}

// BuildStore restores a snapshot into a new store in dir, which must not exist, and
// proves the store against the snapshot's ledger (see [storage.Options.Build]). progress,
// which may be nil, is told the bytes of keys and values. Whatever fails, dir is
// gone afterwards, and damage is a [storage.DamageError].
func (v *Vault) BuildStore(ctx context.Context, table, snapshot, dir string, progress func(done, total int64)) (Manifest, error) {
	return v.buildStore(ctx, table, snapshot, dir, v.space.Complete, progress)
}

func (v *Vault) buildStore(ctx context.Context, table, snapshot, dir string, finish finishing, progress func(done, total int64)) (Manifest, error) {
	release, err := v.Hold(table, snapshot)
	if err != nil {
		return Manifest{}, err
	}
	defer release()
	m, err := v.Manifest(table, snapshot)
	if err != nil {
		return m, err
	}
	switch {
	case m.Base != nil:
		err = v.buildFromChain(ctx, &m, dir, progress)
	case m.physical():
		err = v.buildFromImage(ctx, &m, dir, finish, progress)
	default:
		err = v.buildFromFrames(ctx, &m, dir, progress)
	}
	if err != nil {
		v.noteRot(table, snapshot, err)
		return m, fmt.Errorf("restore snapshot %s of table %s: %w", snapshot, table, err)
	}
	return m, nil
}

func (v *Vault) buildFromFrames(ctx context.Context, m *Manifest, dir string, progress func(done, total int64)) error {
	_, entries, err := v.Entries(ctx, m.Table, m.Snapshot)
	if err != nil {
		return err
	}
	if progress != nil {
		entries = watch(entries, int64(m.Ledger.Bytes), progress)
	}
	return v.build(ctx, dir, m.Table, entries, m.Ledger)
}

// watch tells progress now and then, and when all has passed.
func watch(entries iter.Seq2[storage.Entry, error], total int64, progress func(done, total int64)) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		var done, told int64
		for e, err := range entries {
			if !yield(e, err) || err != nil {
				return
			}
			r, _, _ := e.Open()
			done += int64(len(r.Key) + len(r.Value))
			if done-told >= frameTarget {
				progress(done, total)
				told = done
			}
		}
		progress(total, total)
	}
}

type yieldFunc = func(storage.Entry, *storage.Record, storage.Hash) error

// readSnapshot yields all entries of a snapshot and compares them with its ledger.
func (v *Vault) readSnapshot(ctx context.Context, m *Manifest, yield yieldFunc) error {
	release, err := v.Hold(m.Table, m.Snapshot)
	if err != nil {
		return err
	}
	defer release()
	var keys ascending
	var total storage.Ledger
	counted := func(e storage.Entry, r *storage.Record, h storage.Hash) error {
		total.Add(r, h)
		return yield(e, r, h)
	}
	for i := range m.Files {
		if _, err := v.readPart(ctx, m, i, &keys, counted); err != nil {
			return v.unlessGone(err, m.Table, m.Snapshot)
		}
	}
	if !m.Ledger.Agrees(total) {
		return &storage.DamageError{Table: m.Table, File: v.snapDir(m.Table, m.Snapshot), Problem: m.Ledger.Differs(total)}
	}
	return nil
}

// readPart yields the entries of a snapshot's i-th file, checks every byte of it
// against the manifest, and returns how many bytes it read.
func (v *Vault) readPart(ctx context.Context, m *Manifest, i int, keys *ascending, yield yieldFunc) (n int64, err error) {
	info := m.Files[i]
	file := v.fileOf(m, &info)
	damaged := func(problem string, cause error) error {
		return &storage.DamageError{Table: m.Table, File: file, Problem: problem, Err: cause}
	}
	f, err := v.fs.Open(file)
	if err != nil {
		return 0, damaged("is missing or cannot be read", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	stat, err := f.Stat()
	if err != nil {
		return 0, damaged("cannot be read", err)
	}
	unpack := &codec.Unpacker{Max: maxFrame}
	defer unpack.Close()
	sum := sha256.New()
	r := &framesReader{
		in: bufio.NewReaderSize(io.TeeReader(ctxReader{ctx, f}, sum), int(min(stat.Size(), 256<<10))), size: stat.Size(), file: file,
		want: headerOf(m, i), unpack: unpack, keys: keys,
	}
	if err := r.run(yield); err != nil {
		if ctx.Err() != nil {
			return r.off, ctx.Err()
		}
		return r.off, err
	}
	if r.off != info.Size || hex.EncodeToString(sum.Sum(nil)) != info.SHA256 {
		return r.off, damaged("does not match the SHA-256 in the manifest", nil)
	}
	if r.ledger.Records != info.Records {
		return r.off, damaged(fmt.Sprintf("has %d records, the manifest says %d", r.ledger.Records, info.Records), nil)
	}
	return r.off, nil
}

// headerOf is the header that a snapshot's i-th file should have.
func headerOf(m *Manifest, i int) framesHeader {
	if m.Files[i].Kind == KindTail {
		return framesHeader{tailMagic, m.Table, m.Cut, 1}
	}
	return framesHeader{framesMagic, m.Table, m.Cut, uint32(i + 1)}
}

// ctxReader ends reading when its context ends.
type ctxReader struct {
	ctx context.Context
	in  io.Reader
}

func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(b)
}
