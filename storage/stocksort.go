package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Stock is a whole backup of stock Badger, of each key the newest version.
type Stock struct {
	db    *badger.DB
	table string
	dir   string
	// UserMeta counts the records that have a user meta byte; a table keeps none.
	UserMeta int
}

// SortStock reads all entries and finds the newest version of each key, wherever in
// the file it stands. It works in the folder dir, which must not exist and which Close
// removes; memory is bounded. Entries that no table takes give an error that matches
// [ErrTooLarge]. What is returned with an error is gone.
func SortStock(ctx context.Context, dir, table string, entries iter.Seq2[StockEntry, error]) (_ *Stock, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	opts := Options{Unsynced: true, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	db, err := openBadger(dir, table, badgerOptions(dir, opts))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &Stock{db: db, table: table, dir: dir}
	if err := s.fill(ctx, entries, opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// stockSpace is how much is written between two looks at the free space; bytes.
const stockSpace = 32 << 20

func (s *Stock) fill(ctx context.Context, entries iter.Seq2[StockEntry, error], opts Options) error {
	b := &builder{db: s.db, table: s.table}
	b.begin()
	unseen := stockSpace
	for e, err := range entries {
		if err == nil {
			err = ctx.Err()
		}
		if unseen += len(e.Key) + len(e.Value); err == nil && unseen >= stockSpace {
			unseen, err = 0, opts.enoughSpace(s.dir, s.table)
		}
		if err == nil {
			err = s.add(b, &e)
		}
		if err != nil {
			b.batch.Cancel()
			return err
		}
	}
	return b.batch.Flush()
}

func (s *Stock) add(b *builder, e *StockEntry) error {
	if len(e.Key) > MaxKeyBytes || len(e.Value) > MaxValueBytes {
		return fmt.Errorf("key %.80q, %d bytes, with a value of %d bytes: %w: a record has at most %d bytes as its key and %d as its value",
			e.Key, len(e.Key), len(e.Value), ErrTooLarge, MaxKeyBytes, MaxValueBytes)
	}
	if e.Deleted && e.Version == 0 { // Badger's mark below a first version; nothing is older
		return nil
	}
	if e.Deleted {
		return b.remove(recordKey(e.Key), Version(e.Version))
	}
	flags := byte(0)
	if e.Merge {
		flags = stockMerge
	}
	value := append(make([]byte, 0, 10+len(e.Value)), flags, e.UserMeta)
	value = append(be64(value, e.ExpiresAt), e.Value...)
	return b.put(recordKey(e.Key), value, Version(e.Version))
}

// Records yields the newest version of each key, in key order, but for keys that are
// deleted or whose newest version has expired by now: of those Badger writes no value.
// Operands of Badger's merge operator are refused, as only the program that wrote them
// can make a value of them.
func (s *Stock) Records(now time.Time) iter.Seq2[Record, error] {
	s.UserMeta = 0
	return func(yield func(Record, error) bool) {
		txn := s.db.NewTransactionAt(math.MaxInt64, false)
		defer txn.Discard()
		it := txn.NewIterator(badger.IteratorOptions{Prefix: recordPrefix, PrefetchValues: true, PrefetchSize: 16})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			r, live, err := s.record(it.Item(), now)
			if err == nil && !live {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (s *Stock) record(item *badger.Item, now time.Time) (r Record, live bool, err error) {
	b, err := item.ValueCopy(nil)
	if err == nil && len(b) < 10 {
		err = errors.New("a value is missing")
	}
	if err != nil {
		return r, false, &DamageError{Table: s.table, File: s.dir, Problem: "the sorted backup cannot be read; import again", Err: err}
	}
	r = Record{Key: item.KeyCopy(nil)[1:], Value: b[10:], Version: Version(item.Version())}
	if at := binary.BigEndian.Uint64(b[2:]); at > 0 {
		if r.ExpiresAt = time.Unix(int64(at), 0).UTC(); !r.ExpiresAt.After(now) {
			return r, false, nil
		}
	}
	if b[0] == stockMerge {
		return r, false, fmt.Errorf("%w: key %.80q holds operands of Badger's merge operator, which only the program that wrote them can put together; let it write the values and make the backup again", ErrInvalid, r.Key)
	}
	if b[1] != 0 {
		s.UserMeta++
	}
	return r, true, nil
}

// Close removes all that was made.
func (s *Stock) Close() error { return errors.Join(s.db.Close(), os.RemoveAll(s.dir)) }
