package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// Stock is a backup of stock Badger as lines for [Import]: the newest version of each
// key that is neither deleted nor expired, in key order.
type Stock struct {
	table string
	all   *storage.Stock
	next  func() (storage.Record, error, bool)
	stop  func()
	rest  []byte

	userMeta int
}

// OpenStock reads a backup from end to end; whatever is wrong with it is told now,
// before anything is imported. It works in the data directory's scratch folder, which
// needs room for what the backup holds, until it is closed.
func OpenStock(ctx context.Context, data string, backup io.Reader, table string) (*Stock, error) {
	if err := storage.CheckTableName(table); err != nil {
		return nil, err
	}
	scratch := filepath.Join(data, road.ScratchDir)
	if err := os.MkdirAll(scratch, disk.DirMode); err != nil {
		return nil, err
	}
	dir := filepath.Join(scratch, disk.TempPrefix+"stock-"+rand.Text())
	all, err := storage.SortStock(ctx, dir, table, storage.ReadStock(backup))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for _, err := range all.Records(now) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
	}
	s := &Stock{table: table, all: all, userMeta: all.UserMeta}
	s.next, s.stop = iter.Pull2(all.Records(now))
	return s, nil
}

// Read reads the lines.
func (s *Stock) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		rec, err, ok := s.next()
		if !ok {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		s.rest = append(road.AppendLine(s.rest[:0], s.table, rec), '\n')
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// UserMeta counts the records whose user meta byte is left out: a table keeps none.
func (s *Stock) UserMeta() int { return s.userMeta }

// Close removes what was made.
func (s *Stock) Close() error {
	s.stop()
	return s.all.Close()
}
