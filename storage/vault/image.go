package vault

import (
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"sync/atomic"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"golang.org/x/sync/errgroup"
)

const (
	// imageWorkers is how many of a table's files are copied, or synced, at a time.
	imageWorkers = 4
	// imageBatch is how many files are copied before they are synced: the first syncs
	// find most on the disk already, and the others that their work is done. A sync of each by itself is a commit of the file system's
	// journal for every 2 MiB, behind which the tables' own commits wait.
	imageBatch = 32
)

// buildImage makes all of a snapshot of table files in the folder tmp, durable but
// for tmp's name. The files lie in the pool, under their final names, when it
// returns: nothing refers to them before the manifest does.
func (v *Vault) buildImage(ctx context.Context, spec SnapshotSpec, tmp string, img *storage.Image, o WriteOptions) (Manifest, string, error) {
	m := v.newManifest(spec)
	if err := errors.Join(v.freshDir(tmp), v.fs.MkdirAll(v.poolDir(spec.Table))); err != nil {
		return m, "", err
	}
	v.forgetInstances(spec.Table, img.Instance())
	img.Alone()
	g, gctx := errgroup.WithContext(ctx)
	c := &imageCopy{v: v, ctx: gctx, spec: spec, img: img, o: o}
	var files []FileInfo
	var tail FileInfo
	g.Go(func() (err error) {
		if files, err = c.files(); err == nil {
			err = v.fs.SyncDir(v.poolDir(spec.Table))
		}
		return err
	})
	g.Go(func() (err error) { // it compresses while the files wait for the disk
		tail, err = v.writeTail(gctx, tmp, spec, img.Tail(), o)
		return err
	})
	if err := g.Wait(); err != nil {
		return m, "", err
	}
	m.Files, m.NewBytes = append(files, tail), c.wrote.Load()+tail.Size
	sum, err := v.writeManifest(tmp, m)
	return m, sum, err
}

// imageCopy brings the files of one image into the pool.
type imageCopy struct {
	v     *Vault
	ctx   context.Context
	spec  SnapshotSpec
	img   *storage.Image
	o     WriteOptions
	wrote atomic.Int64
	done  atomic.Int64
}

// files copies tables first: they tell which part of the value logs is needed.
func (c *imageCopy) files() ([]FileInfo, error) {
	tables, err := c.each(len(c.img.Tables), func(ctx context.Context, i int) (poolFresh, error) {
		t := c.img.Tables[i]
		return c.copy(ctx, KindTable, t.ID, t.Size, func(w io.Writer) (map[uint32]int64, error) {
			sum, err := c.img.Copy(ctx, w, t)
			return sum.Logs, err
		})
	})
	if err != nil {
		return nil, err
	}
	files := make([]FileInfo, 0, len(tables))
	sums := make([]storage.TableSum, len(tables))
	for i, t := range tables {
		sums[i].Logs = t.logs
		files = append(files, t.info())
		files[i].Level = c.img.Tables[i].Level
	}
	logs, err := c.img.ValueLogs(sums...)
	if err != nil {
		return nil, err
	}
	copied, err := c.each(len(logs), func(ctx context.Context, i int) (poolFresh, error) {
		l := logs[i]
		return c.copy(ctx, KindValueLog, uint64(l.ID), l.Size, func(w io.Writer) (map[uint32]int64, error) {
			return nil, c.img.CopyLog(ctx, w, l)
		})
	})
	for i, l := range copied {
		info := l.info()
		info.ID = logs[i].ID
		files = append(files, info)
	}
	return files, err
}

func (n *poolFresh) info() FileInfo {
	return FileInfo{Name: poolFile(n.sum, n.live.kind), Kind: n.live.kind, Size: n.live.size, SHA256: n.sum}
}

// each copies n files, a batch after the other.
func (c *imageCopy) each(n int, copy func(ctx context.Context, i int) (poolFresh, error)) ([]poolFresh, error) {
	all := make([]poolFresh, n)
	for from := 0; from < n; from += imageBatch {
		to := min(from+imageBatch, n)
		err := c.together(from, to, func(ctx context.Context, i int) (err error) {
			all[i], err = copy(ctx, i)
			return err
		})
		if err == nil {
			err = c.together(from, to, func(_ context.Context, i int) error {
				wrote, err := c.v.poolKeep(c.spec.Table, &all[i])
				c.wrote.Add(wrote)
				return err
			})
		}
		if err != nil {
			for i := from; i < to; i++ {
				err = c.v.poolDrop(&all[i], err)
			}
			return nil, err
		}
	}
	return all, nil
}

func (c *imageCopy) together(from, to int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(c.ctx)
	g.SetLimit(imageWorkers)
	for i := from; i < to; i++ {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

func (c *imageCopy) copy(ctx context.Context, kind string, id uint64, size int64, copy func(io.Writer) (map[uint32]int64, error)) (poolFresh, error) {
	n, err := c.v.poolCopy(ctx, c.spec.Table, liveFile{c.img.Instance(), kind, id, size}, c.o, copy)
	if done := c.done.Add(size); c.o.Progress != nil && err == nil {
		c.o.Progress(min(done, c.img.Bytes), c.img.Bytes)
	}
	return n, err
}

// finishing is what makes a store of table files whole: [storage.Options.Complete], or
// [storage.Options.Join] where the change log follows, and the proof after that.
type finishing func(ctx context.Context, dir, table string, tail iter.Seq2[storage.RawEntry, error], want storage.Ledger) error

// buildFromImage makes a store of a snapshot's table files, proven against its ledger
// where finish does so.
func (v *Vault) buildFromImage(ctx context.Context, m *Manifest, dir string, finish finishing, progress func(done, total int64)) (err error) {
	if err := disk.OS.MkdirAll(dir); err != nil {
		return err
	}
	if err := v.space.SpaceToBuild(dir, m.Table, m.bytes()); err != nil {
		return errors.Join(err, disk.OS.RemoveAll(dir))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, disk.OS.RemoveAll(dir))
		}
	}()
	var tables []storage.TableFile
	var done atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(imageWorkers)
	for i := range m.Files {
		f := &m.Files[i]
		name := storage.ValueLogName(f.ID)
		switch f.Kind {
		case KindTable: // whose ids may be new ones, in the image's order
			name = storage.TableName(uint64(i + 1))
			tables = append(tables, storage.TableFile{ID: uint64(i + 1), Level: f.Level})
		case KindTail:
			continue
		}
		g.Go(func() error {
			err := v.fetch(gctx, m, f, filepath.Join(dir, name))
			if n := done.Add(f.Size); err == nil && progress != nil {
				progress(n, m.bytes())
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := storage.Assemble(dir, m.Table, tables); err != nil {
		return err
	}
	return finish(ctx, dir, m.Table, v.tail(ctx, m), m.Ledger)
}

// fetch copies a file out of the pool and checks it on the way. It is never linked:
// Badger truncates what it deletes. What makes the store whole syncs all of it at once.
func (v *Vault) fetch(ctx context.Context, m *Manifest, f *FileInfo, to string) (err error) {
	out, err := disk.OS.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := v.readPlain(ctx, m, f, out); err != nil {
		return err
	}
	disk.StartWriteback(out)
	return nil
}
