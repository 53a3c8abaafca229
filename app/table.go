package app

import (
	"context"
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
	return t.fenced(ctx, Op{Key: key, Value: value, IfVersion: version})
}

// fenced commits an operation whose version is not optional.
func (t *Table) fenced(ctx context.Context, op Op) (Version, error) {
	if op.IfVersion == 0 {
		return 0, fmt.Errorf("table %s: %w: key %.80q at which version?", t.Name(), ErrInvalid, op.Key)
	}
	return t.ref.Apply(ctx, Batch{op})
}

// Update reads the key's record, lets change edit its value and expiry, and writes it
// if nobody came between, else it begins again until ctx ends; so change may be called
// more than once. The record of a key that has none has version 0, and is created. When
// change returns an error, nothing is written and Update returns it.
func (t *Table) Update(ctx context.Context, key []byte, change func(*Record) error) (Version, error) {
	for {
		rec, err := t.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			rec, err = Record{Key: key}, nil
		}
		if err != nil {
			return 0, err
		}
		seen := rec.Version
		if err := change(&rec); err != nil {
			return 0, err
		}
		v, err := t.ref.Apply(ctx, Batch{{Key: key, Value: rec.Value, ExpiresAt: rec.ExpiresAt, IfVersion: seen, IfAbsent: seen == 0}})
		if !errors.Is(err, ErrConflict) {
			return v, err
		}
	}
}

// Delete removes the records of the keys, all together. A key that has none is no error.
func (t *Table) Delete(ctx context.Context, keys ...[]byte) (Version, error) {
	b := make(Batch, len(keys))
	for i, k := range keys {
		b[i] = Op{Key: k, Delete: true}
	}
	return t.ref.Apply(ctx, b)
}

// DeleteAt removes the key's record if it has the version, else it returns [ErrConflict].
func (t *Table) DeleteAt(ctx context.Context, key []byte, version Version) (Version, error) {
	return t.fenced(ctx, Op{Key: key, Delete: true, IfVersion: version})
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
	return n, t.ref.Look(l, err)
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
				yield(Record{}, t.ref.Look(l, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}
