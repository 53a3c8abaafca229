package storage

import (
	"fmt"
	"time"
)

// Limits of what a table takes. Above them an error matches [ErrTooLarge].
const (
	MaxKeyBytes   = 4 << 10  // of one key
	MaxValueBytes = 16 << 20 // of one value
	// A batch is atomic up to all of these: its operations, the bytes of its keys and
	// of its values below 32 KiB, and the bytes of its larger values.
	MaxBatchOps        = 4096
	MaxBatchBytes      = 1 << 20
	MaxBatchLargeBytes = 20 << 20

	// lastExpiry is the end of the year 9999 UTC, in milliseconds: RFC 3339, and so JSON,
	// has no later time.
	lastExpiry = 1000*stockLastExpiry + 999

	// largeValue is where Badger moves a value from the LSM tree to the value log.
	largeValue = 32 << 10
	// opOverhead is what an operation costs beside key and value: envelope, index entry, headers.
	opOverhead = 96
)

// Op is one change of one key.
type Op struct {
	Key   []byte
	Value []byte
	// Delete removes the record; Value and ExpiresAt are ignored. Deleting what is
	// not there is no change and no error.
	Delete bool
	// ExpiresAt, when set, makes the record invisible from then on (millisecond precision).
	ExpiresAt time.Time
	// IfAbsent makes the whole batch conditional: the key has no live record.
	IfAbsent bool
	// IfVersion, when above 0, makes the whole batch conditional: the key's live
	// record has this version.
	IfVersion Version
	// IfDue makes a Delete take away only what is due; anything else it leaves, without an error.
	IfDue bool
}

// Batch is a list of changes that become visible and durable together or not at
// all. Of two operations on one key the last one counts, so put each key in once
// where conditions matter.
type Batch []Op

// Cost is how much of a transaction a batch takes.
type Cost struct{ Ops, Bytes, LargeBytes int }

// Add returns the sum of two costs.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.Ops + o.Ops, c.Bytes + o.Bytes, c.LargeBytes + o.LargeBytes}
}

// Fits says whether one transaction can hold it.
func (c Cost) Fits() bool {
	return c.Ops <= MaxBatchOps && c.Bytes <= MaxBatchBytes && c.LargeBytes <= MaxBatchLargeBytes
}

// Cost returns what the operation takes of a transaction.
func (op *Op) Cost() Cost {
	c := Cost{Ops: 1, Bytes: opOverhead + len(op.Key)}
	if !op.ExpiresAt.IsZero() {
		c.Bytes += len(op.Key)
	}
	if len(op.Value) >= largeValue-envelopeMaximum {
		c.LargeBytes = len(op.Value)
	} else {
		c.Bytes += len(op.Value)
	}
	return c
}

// Check returns an error that matches [ErrTooLarge] or [ErrInvalid] when no table
// could take the batch, and otherwise what it costs.
func (b Batch) Check() (Cost, error) {
	var sum Cost
	for i := range b {
		op := &b[i]
		switch {
		case len(op.Key) == 0:
			return sum, fmt.Errorf("%w: a key must have at least one byte", ErrInvalid)
		case len(op.Key) > MaxKeyBytes:
			return sum, fmt.Errorf("key of %d bytes: %w: at most %d", len(op.Key), ErrTooLarge, MaxKeyBytes)
		case len(op.Value) > MaxValueBytes:
			return sum, fmt.Errorf("value of %d bytes: %w: at most %d", len(op.Value), ErrTooLarge, MaxValueBytes)
		case op.IfAbsent && op.IfVersion > 0:
			return sum, fmt.Errorf("%w: a key cannot be absent and have a version", ErrInvalid)
		case !op.Delete && !op.ExpiresAt.IsZero() && op.ExpiresAt.UnixMilli() <= 0:
			return sum, fmt.Errorf("%w: expiry %s lies before 1970", ErrInvalid, op.ExpiresAt)
		case !op.Delete && op.ExpiresAt.UnixMilli() > lastExpiry:
			return sum, fmt.Errorf("%w: expiry %s lies behind the year 9999; leave it out for never", ErrInvalid, op.ExpiresAt)
		}
		sum = sum.Add(op.Cost())
	}
	if !sum.Fits() {
		return sum, fmt.Errorf("batch of %d operations with %d bytes, and %d bytes in large values: %w: a batch is atomic up to %d operations, %d bytes, and %d bytes in values of 32 KiB and more",
			sum.Ops, sum.Bytes, sum.LargeBytes, ErrTooLarge, MaxBatchOps, MaxBatchBytes, MaxBatchLargeBytes)
	}
	return sum, nil
}
