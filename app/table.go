package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage"
)

// Record, Op, Batch, Range and Version are storage's, for embedders.
type (
	Record  = storage.Record
	Op      = storage.Op
	Batch   = storage.Batch
	Range   = storage.Range
	Version = storage.Version
)

// Table is a handle on a durable table. Its methods may be called from any
// goroutine, and return errors that match [ErrUnavailable] while the table does
// not serve.
type Table struct{ ref *actors.TableRef }

// Table returns the handle of a table that the hub serves; the error matches
// [ErrUnknownTable] for any other.
func (h *Hub) Table(name string) (*Table, error) {
	ref, err := h.group.Table(name)
	if err != nil {
		return nil, err
	}
	return &Table{ref}, nil
}

// Tables returns the names of the tables that the hub serves.
func (h *Hub) Tables() []string {
	var names []string
	for _, t := range h.group.Tables() {
		names = append(names, t.Name())
	}
	return names
}

// Name returns the table's name.
func (t *Table) Name() string { return t.ref.Name() }

// Get returns the key's live record, or [ErrNotFound].
func (t *Table) Get(ctx context.Context, key []byte) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	rec, err := t.ref.Get(key)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("table %s: %w: key %.80q", t.Name(), ErrNotFound, key)
	}
	return rec, err
}

// Put writes the value and returns its version when it is durable.
func (t *Table) Put(ctx context.Context, key, value []byte) (Version, error) {
	return t.ref.Apply(ctx, Batch{{Key: key, Value: value}})
}

// PutUntil writes a value that is invisible from the given time on.
func (t *Table) PutUntil(ctx context.Context, key, value []byte, expires time.Time) (Version, error) {
	return t.ref.Apply(ctx, Batch{{Key: key, Value: value, ExpiresAt: expires}})
}

// Create writes the value if the key has no live record, else it returns [ErrConflict].
func (t *Table) Create(ctx context.Context, key, value []byte) (Version, error) {
	return t.ref.Apply(ctx, Batch{{Key: key, Value: value, IfAbsent: true}})
}

// Replace writes the value if the key's live record has the version, else it
// returns [ErrConflict]: the fence by which one of several writers wins.
func (t *Table) Replace(ctx context.Context, key, value []byte, version Version) (Version, error) {
	if version == 0 {
		return 0, fmt.Errorf("table %s: %w: replace key %.80q at which version?", t.Name(), ErrInvalid, key)
	}
	return t.ref.Apply(ctx, Batch{{Key: key, Value: value, IfVersion: version}})
}

// Delete removes the records of the keys, all together. A key that has none is no error.
func (t *Table) Delete(ctx context.Context, keys ...[]byte) (Version, error) {
	b := make(Batch, len(keys))
	for i, k := range keys {
		b[i] = Op{Key: k, Delete: true}
	}
	return t.ref.Apply(ctx, b)
}

// Apply commits a batch: all of it or nothing. It returns the batch's version when
// it is durable. See storage's limits for how large a batch may be.
func (t *Table) Apply(ctx context.Context, b Batch) (Version, error) { return t.ref.Apply(ctx, b) }

// Count returns the number of live records, exactly and without a scan.
func (t *Table) Count(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l, err := t.ref.Lease()
	if err != nil {
		return 0, err
	}
	defer l.Release()
	n, err := l.Count()
	return n, t.ref.Look(err)
}

// Scan yields the live records of the range at one version, the last acknowledged
// one when the loop begins. It ends after an error. Writes go on meanwhile.
func (t *Table) Scan(ctx context.Context, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		l, err := t.ref.Lease()
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer l.Release()
		for rec, err := range l.Scan(r) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Record{}, t.ref.Look(err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// JSONTable is a table whose keys are strings and whose values are T as JSON.
type JSONTable[T any] struct{ *Table }

// JSON returns the table with values of type T.
func JSON[T any](t *Table) JSONTable[T] { return JSONTable[T]{t} }

// Get returns the key's value and its version, or [ErrNotFound].
func (t JSONTable[T]) Get(ctx context.Context, key string) (value T, version Version, err error) {
	rec, err := t.Table.Get(ctx, []byte(key))
	if err != nil {
		return value, 0, err
	}
	return value, rec.Version, t.decode(rec, &value)
}

// Put writes the value.
func (t JSONTable[T]) Put(ctx context.Context, key string, value T) (Version, error) {
	return t.write(ctx, Op{Key: []byte(key)}, value)
}

// Create writes the value if the key is free, else it returns [ErrConflict].
func (t JSONTable[T]) Create(ctx context.Context, key string, value T) (Version, error) {
	return t.write(ctx, Op{Key: []byte(key), IfAbsent: true}, value)
}

// Replace writes the value if the key is at the version, else it returns [ErrConflict].
func (t JSONTable[T]) Replace(ctx context.Context, key string, value T, version Version) (Version, error) {
	if version == 0 {
		return 0, fmt.Errorf("table %s: %w: replace key %.80q at which version?", t.Name(), ErrInvalid, key)
	}
	return t.write(ctx, Op{Key: []byte(key), IfVersion: version}, value)
}

// Delete removes the keys' records, all together.
func (t JSONTable[T]) Delete(ctx context.Context, keys ...string) (Version, error) {
	raw := make([][]byte, len(keys))
	for i, k := range keys {
		raw[i] = []byte(k)
	}
	return t.Table.Delete(ctx, raw...)
}

// All yields keys and values of the range, in key order, at one version.
func (t JSONTable[T]) All(ctx context.Context, r Range) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		for rec, err := range t.Scan(ctx, r) {
			row := Row[T]{Key: string(rec.Key), Version: rec.Version}
			if err == nil {
				err = t.decode(rec, &row.Value)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// Row is one record of a [JSONTable].
type Row[T any] struct {
	Key     string
	Value   T
	Version Version
}

func (t JSONTable[T]) write(ctx context.Context, op Op, value T) (Version, error) {
	var err error
	if op.Value, err = json.Marshal(value); err != nil {
		return 0, fmt.Errorf("table %s: %w value of key %.80q: %w", t.Name(), ErrInvalid, op.Key, err)
	}
	return t.Apply(ctx, Batch{op})
}

func (t JSONTable[T]) decode(rec Record, v *T) error {
	if err := json.Unmarshal(rec.Value, v); err != nil {
		return fmt.Errorf("table %s: key %.80q holds no %T: %w", t.Name(), rec.Key, *v, err)
	}
	return nil
}
