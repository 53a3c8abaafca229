package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Copy checks the table file and writes it to w, see [CopyTable]. It ends early
// when ctx or the store does.
func (img *Image) Copy(ctx context.Context, w io.Writer, t TableFile) (sum TableSum, err error) {
	err = img.with(ctx, t.Path, func(r io.ReaderAt) error {
		sum, err = CopyTable(w, r, t.Size)
		return err
	})
	return sum, err
}

// ValueLogs returns the value-log files that tables point into, by the sums of
// those tables.
func (img *Image) ValueLogs(sums ...TableSum) ([]ValueLog, error) {
	need := map[uint32]int64{}
	for _, s := range sums {
		for id, end := range s.Logs {
			need[id] = max(need[id], end)
		}
	}
	var logs []ValueLog
	for id, end := range need {
		path := filepath.Join(img.l.s.dir, ValueLogName(id))
		info, err := os.Stat(path)
		if err != nil {
			return nil, img.l.s.fileError(err, path)
		}
		if info.Size() < end {
			return nil, &DamageError{Table: img.l.s.table, File: path, Offset: info.Size(), Problem: "the value log is cut short; restore the table"}
		}
		logs = append(logs, ValueLog{Path: path, ID: id, Size: end})
	}
	slices.SortFunc(logs, func(a, b ValueLog) int { return cmp.Compare(a.ID, b.ID) })
	return logs, nil
}

// CopyLog checks the value-log file as far as it counts and writes that to w.
func (img *Image) CopyLog(ctx context.Context, w io.Writer, f ValueLog) error {
	return img.with(ctx, f.Path, func(r io.ReaderAt) error { return CopyValueLog(w, r, f.Size) })
}

// with opens a file of the store for f, and gives errors their table.
func (img *Image) with(ctx context.Context, path string, f func(io.ReaderAt) error) error {
	file, err := os.Open(path)
	if err != nil {
		return img.l.s.fileError(err, path)
	}
	err = f(&imageReader{File: file, ctx: ctx, s: img.l.s})
	var damage *DamageError
	if errors.As(err, &damage) {
		damage.Table = img.l.s.table
	}
	return errors.Join(err, file.Close())
}

// imageReader is a file of a store that ends with its context or with the store.
type imageReader struct {
	*os.File
	ctx context.Context
	s   *Store
}

func (r *imageReader) ReadAt(b []byte, at int64) (int, error) {
	if r.s.readers.ended.Load() {
		return 0, fmt.Errorf("table %s: %w while it was read", r.s.table, ErrClosed)
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.File.ReadAt(b, at)
}

// fileError is for a file that should be there.
func (s *Store) fileError(err error, path string) error {
	if errors.Is(err, os.ErrNotExist) {
		return &DamageError{Table: s.table, File: path, Problem: "the file is missing; restore the table", Err: err}
	}
	return fmt.Errorf("table %s: %w", s.table, err)
}
