package changelog

import (
	"encoding/binary"
	"fmt"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/zeebo/xxh3"
)

// beginName is the file that says where the log begins: at that version or before. It is
// durable before segments are removed, so that lost ones can be told from those. Without
// it the log begins at 0.
const (
	beginName  = "begin"
	beginMagic = "BROCKBEG"
	beginSize  = len(beginMagic) + 8 + sumSize
)

// writeBegin lets the log begin at the version, or where it does already.
func (l *Log) writeBegin(at storage.Version) error {
	if old, err := l.readBegin(); err == nil && old >= at {
		return nil
	}
	b := binary.BigEndian.AppendUint64([]byte(beginMagic), uint64(at))
	b = binary.BigEndian.AppendUint64(b, xxh3.Hash(b))
	return disk.WriteAtomic(l.fs, l.path(beginName), b)
}

// readBegin returns where the log begins at the latest.
func (l *Log) readBegin() (storage.Version, error) {
	b, err := disk.ReadFile(l.fs, l.path(beginName))
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, &storage.DamageError{File: l.path(beginName), Problem: "cannot be read", Err: err}
	}
	if len(b) != beginSize || string(b[:len(beginMagic)]) != beginMagic || !sealed(b, 0) {
		return 0, &storage.DamageError{File: l.path(beginName), Problem: "does not match its checksum: nobody knows whether the oldest segments are missing; the next removal of segments writes it anew"}
	}
	return storage.Version(binary.BigEndian.Uint64(b[len(beginMagic):])), nil
}

// begins compares the log's first version, also of what is damaged, with where it should
// begin. It reads the file after the folder: what was removed before that is in it.
func (l *Log) begins(f *found, spans []span) {
	at, err := l.readBegin()
	if err != nil {
		f.problems = append(f.problems, problemOf(beginName, err))
		return
	}
	from := storage.MaxVersion
	for _, s := range spans {
		from = min(from, s.from)
	}
	switch {
	case len(spans) == 0 && at > 0:
		f.problems = append(f.problems, Problem{File: beginName, Problem: fmt.Sprintf("the log went on from version %d, and all of its segments are missing", at)})
	case len(spans) > 0 && from > at:
		f.problems = append(f.problems, Problem{File: span{at, from}.String(), Problem: fmt.Sprintf(
			"the oldest segments are missing: the log began at version %d, as %s says, and begins at %d", at, beginName, from)})
	}
}
