package app

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// JSONTable is a table whose keys are strings and whose values are T as JSON. It has
// the methods of [Table]; the table below is in the field, for what is not T.
type JSONTable[T any] struct{ *Table }

// JSON returns the table with values of type T.
func JSON[T any](t *Table) JSONTable[T] { return JSONTable[T]{t} }

// Row is one record of a [JSONTable].
type Row[T any] struct {
	Key       string
	Value     T
	Version   Version
	ExpiresAt time.Time // the zero time: never
}

// Get returns the key's value and its version, or [ErrNotFound].
func (t JSONTable[T]) Get(ctx context.Context, key string) (value T, version Version, err error) {
	rec, err := t.Table.Get(ctx, []byte(key))
	if err != nil {
		return value, 0, err
	}
	row, err := t.row(rec)
	return row.Value, row.Version, err
}

// Put writes the value and returns its version when it is durable.
func (t JSONTable[T]) Put(ctx context.Context, key string, value T) (Version, error) {
	return t.write(ctx, Op{Key: []byte(key)}, value)
}

// PutUntil writes a value that is invisible from the given time on.
func (t JSONTable[T]) PutUntil(ctx context.Context, key string, value T, expires time.Time) (Version, error) {
	return t.write(ctx, Op{Key: []byte(key), ExpiresAt: expires}, value)
}

// Create writes the value if the key has no live record, else it returns [ErrConflict].
func (t JSONTable[T]) Create(ctx context.Context, key string, value T) (Version, error) {
	return t.write(ctx, Op{Key: []byte(key), IfAbsent: true}, value)
}

// Replace writes the value if the key's live record has the version, else it returns
// [ErrConflict].
func (t JSONTable[T]) Replace(ctx context.Context, key string, value T, version Version) (Version, error) {
	b, err := t.encode(key, value)
	if err != nil {
		return 0, err
	}
	return t.Table.Replace(ctx, []byte(key), b, version)
}

// Delete removes the records of the keys, all together. A key that has none is no error.
func (t JSONTable[T]) Delete(ctx context.Context, keys ...string) (Version, error) {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = []byte(k)
	}
	return t.Table.Delete(ctx, raw...)
}

// DeleteAt removes the key's record if it has the version, else it returns [ErrConflict].
func (t JSONTable[T]) DeleteAt(ctx context.Context, key string, version Version) (Version, error) {
	return t.Table.DeleteAt(ctx, []byte(key), version)
}

// Update reads the key's record, lets change edit its value and expiry, and writes it
// if nobody came between, else it begins again until ctx ends; so change may be called
// more than once. The row of a key that has no record has version 0 and the zero value,
// and is created. When change returns an error, nothing is written and Update returns it.
func (t JSONTable[T]) Update(ctx context.Context, key string, change func(*Row[T]) error) (Version, error) {
	return t.Table.Update(ctx, []byte(key), func(rec *Record) error {
		row := Row[T]{Key: key}
		var err error
		if rec.Version != 0 {
			if row, err = t.row(*rec); err != nil {
				return err
			}
		}
		if err = change(&row); err != nil {
			return err
		}
		rec.ExpiresAt = row.ExpiresAt
		rec.Value, err = t.encode(key, row.Value)
		return err
	})
}

// Scan yields the rows of the range, in key order, at one version, the last
// acknowledged one when the loop begins. It ends after an error. Writes go on meanwhile.
func (t JSONTable[T]) Scan(ctx context.Context, r Range) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for rec, err := range t.Table.Scan(ctx, r) {
			var row Row[T]
			if err == nil {
				row, err = t.row(rec)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func (t JSONTable[T]) write(ctx context.Context, op Op, value T) (v Version, err error) {
	if op.Value, err = t.encode(string(op.Key), value); err != nil {
		return 0, err
	}
	return t.Apply(ctx, Batch{op})
}

func (t JSONTable[T]) encode(key string, value T) ([]byte, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w value of key %.80q: %w", t.Name(), ErrInvalid, key, err)
	}
	return b, nil
}

// row decodes a record; key and version are there also where the value is no T.
func (t JSONTable[T]) row(rec Record) (Row[T], error) {
	row := Row[T]{Key: string(rec.Key), Version: rec.Version, ExpiresAt: rec.ExpiresAt}
	if err := json.Unmarshal(rec.Value, &row.Value); err != nil {
		return row, fmt.Errorf("table %s: key %.80q holds no %T: %w", t.Name(), rec.Key, row.Value, err)
	}
	return row, nil
}
