package storage

import (
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Due returns a batch that removes up to limit records that are due, and when to
// ask again: at once when there are more, else at the next expiry; the zero time
// when nothing expires.
func (s *Store) Due(limit int) (Batch, time.Time, error) {
	l, err := s.Lease()
	if err != nil {
		return nil, time.Time{}, err
	}
	defer l.Release()
	var b Batch
	var cost Cost
	for key, err := range l.due() {
		if err != nil {
			return nil, time.Time{}, err
		}
		op := Op{Key: key, Delete: true, IfDue: true}
		if cost = cost.Add(op.Cost()); len(b) == limit || !cost.Fits() {
			return b, l.now.Time(), nil
		}
		b = append(b, op)
	}
	next, err := l.nextExpiry()
	return b, next, err
}

// nextExpiry returns the earliest expiry after the lease's time.
func (l *Lease) nextExpiry() (time.Time, error) {
	after := expiryKey(l.now.millis()+1, nil)
	for item, err := range l.items(badger.IteratorOptions{Prefix: expiryPrefix}, after) {
		if err != nil {
			return time.Time{}, err
		}
		at, _ := splitExpiry(item.Key())
		return time.UnixMilli(at).UTC(), nil
	}
	return time.Time{}, nil
}
