package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"path/filepath"
	"runtime"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
	"github.com/brockdb/brock/storage/disk"
)

// partsWriter copies one table's entries into frames files of bounded size.
type partsWriter struct {
	ctx     context.Context
	fs      disk.FS
	dir     string
	spec    SnapshotSpec
	limit   int64 // a file is closed when it reaches this many bytes
	opts    WriteOptions
	pack    *codec.Packer
	keys    ascending
	total   storage.Ledger
	told    uint64 // bytes at the last progress
	files   []FileInfo
	current *part
}

// part is one open frames file.
type part struct {
	*framesWriter
	sink *sink
}

func newPartsWriter(ctx context.Context, fsys disk.FS, dir string, spec SnapshotSpec, limit int64, o WriteOptions) (*partsWriter, error) {
	pack, err := codec.NewPacker(framesCodec)
	return &partsWriter{ctx: ctx, fs: fsys, dir: dir, spec: spec, limit: limit, opts: o, pack: pack}, err
}

// copy writes and syncs all files. After an error call abandon.
func (p *partsWriter) copy(entries iter.Seq2[storage.Entry, error]) error {
	if err := p.open(); err != nil { // an empty table has a file too
		return err
	}
	for e, err := range entries {
		if err == nil {
			err = p.ctx.Err()
		}
		if err == nil {
			err = p.add(e)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(p.close(), p.ctx.Err()); err != nil {
		return err
	}
	if !p.spec.Ledger.Agrees(p.total) {
		return p.damage("what was read is not what was written: " + p.spec.Ledger.Differs(p.total) + "; no backup was made of it: restore the table from an earlier snapshot")
	}
	p.progress()
	return nil
}

func (p *partsWriter) add(e storage.Entry) error {
	r, h, problem := e.Open()
	switch {
	case problem != "":
		return p.damage(fmt.Sprintf("key %.80q: %s; no backup was made of it", e.Key, problem))
	case e.Version > p.spec.Cut:
		return p.damage(fmt.Sprintf("key %.80q has version %d, after the cut %d; no backup was made of it", e.Key, e.Version, p.spec.Cut))
	case !p.keys.ok(e.Key):
		return p.damage(fmt.Sprintf("key %.80q was read out of order; no backup was made of it", e.Key))
	}
	if p.current.sink.size >= p.limit {
		if err := errors.Join(p.close(), p.open()); err != nil {
			return err
		}
	}
	p.total.Add(&r, h)
	if p.total.Bytes-p.told >= frameTarget {
		p.progress()
	}
	return p.current.add(e, &r, h)
}

func (p *partsWriter) open() error {
	n := len(p.files) + 1
	f, err := p.fs.Create(filepath.Join(p.dir, partName(n)))
	if err != nil {
		return err
	}
	s := &sink{ctx: p.ctx, file: f, sum: sha256.New(), pace: p.opts.Pace}
	p.current = &part{sink: s}
	p.current.framesWriter, err = newFramesWriter(s, framesHeader{framesMagic, p.spec.Table, p.spec.Cut, uint32(n)}, p.pack)
	return err
}

// close finishes the open file and makes it durable.
func (p *partsWriter) close() error {
	w := p.current
	err := w.finish()
	if err == nil {
		err = w.sink.file.Sync()
	}
	p.current = nil
	if err = errors.Join(err, w.sink.file.Close()); err != nil {
		return err
	}
	p.files = append(p.files, FileInfo{Name: partName(len(p.files) + 1), Kind: KindFrames, Size: w.sink.size,
		SHA256: hex.EncodeToString(w.sink.sum.Sum(nil)), Records: w.ledger.Records})
	return nil
}

// abandon closes what an error left open.
func (p *partsWriter) abandon() error {
	if p.current == nil {
		return nil
	}
	return p.current.sink.file.Close()
}

func (p *partsWriter) progress() {
	p.told = p.total.Bytes
	if p.opts.Progress != nil {
		p.opts.Progress(int64(p.total.Bytes), int64(max(p.spec.Ledger.Bytes, p.total.Bytes)))
	}
}

func (p *partsWriter) damage(problem string) error {
	return &storage.DamageError{Table: p.spec.Table, Problem: problem}
}

// sink counts and hashes what goes into a file, at the pace that is asked for.
type sink struct {
	ctx  context.Context
	file disk.File
	sum  hash.Hash
	size int64
	pace func(ctx context.Context, bytes int) error
}

func (s *sink) Write(b []byte) (int, error) {
	if s.pace != nil {
		if err := s.pace(s.ctx, len(b)); err != nil {
			return 0, err
		}
	}
	done := 0
	for done < len(b) {
		n, err := s.file.Write(b[done:min(done+turn, len(b))])
		_, _ = s.sum.Write(b[done : done+n])
		s.size += int64(n)
		if done += n; err != nil {
			return done, err
		}
		runtime.Gosched()
	}
	return done, nil
}

// turn is how many bytes a copy handles before it lets others have the processor. A
// commit passes through several goroutines, and without that each would wait for the
// ten milliseconds after which Go interrupts a copy.
const turn = 64 << 10
