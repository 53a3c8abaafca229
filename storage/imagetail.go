package storage

import (
	"bytes"
	"fmt"
	"iter"
)

// Tail yields, in the order of the keys of all rooms, what the tables of the image
// lack: of each key its newest version up to the lease's, deletions included, with
// its whole value. Each entry has passed its own checks. An entry's slices are valid
// until the next one. One tail at a time.
func (img *Image) Tail() iter.Seq2[RawEntry, error] {
	return func(yield func(RawEntry, error) bool) {
		s := img.l.s
		var last, value []byte
		for item, err := range s.walk(img.tail, nil, nil) {
			if err != nil {
				yield(RawEntry{}, err)
				return
			}
			if bytes.Equal(item.Key(), last) {
				continue // an older version of the key before
			}
			last = item.KeyCopy(last)
			e := RawEntry{Key: last, Version: Version(item.Version()), Deleted: item.IsDeletedOrExpired()}
			if !e.Deleted {
				if value, err = item.ValueCopy(value); err != nil {
					yield(RawEntry{}, s.readError(err))
					return
				}
				e.Value = value
			}
			if problem := e.Problem(); problem != "" {
				yield(RawEntry{}, s.damage(fmt.Sprintf("key %.80q: %s", e.Key, problem)))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
