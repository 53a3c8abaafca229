package changelog

import (
	"errors"
	"slices"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// found is what a folder holds.
type found struct {
	chain    []Segment
	covered  []string // sound segments whose place a sound merged one took
	problems []Problem
	last     map[string]TableState // of each table, the newest in the chain
}

// list reads the folder. Beside a live owner segments may vanish meanwhile, because
// they were merged or removed: then it looks again. It also does where something is
// wrong, or the log does not go as far as end, since a folder is not listed in one step:
// of a merge, it may show neither the parts, which are gone already, nor the whole. What
// two looks in a row find is so.
func (l *Log) list(end storage.Version) (f found, err error) {
	var before found
	for i := range 500 { // merges that follow each other without a pause made 20 too few
		if f, err = l.listOnce(); isMissing(err) {
			continue
		}
		if err != nil || len(f.problems) == 0 && through(f.chain) >= end {
			return f, err
		}
		if i > 0 && slices.Equal(f.problems, before.problems) && through(f.chain) == through(before.chain) {
			return f, nil
		}
		before = f
	}
	return f, err
}

func (l *Log) listOnce() (f found, err error) {
	f.last = map[string]TableState{}
	entries, err := l.fs.ReadDir(l.dir)
	if isMissing(err) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	var segments []Segment
	var spans []span
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, disk.TempPrefix) {
			continue
		}
		if name == beginName && e.Type().IsRegular() {
			continue
		}
		want, ok := parseSpan(name)
		if ok {
			spans = append(spans, want)
		} else {
			f.problems = append(f.problems, Problem{File: name, Problem: "is no file of a change log"})
			continue
		}
		if !e.Type().IsRegular() {
			f.problems = append(f.problems, Problem{File: name, Problem: "is no plain file: what lies elsewhere is no part of the change log"})
			continue
		}
		s, err := l.readSegment(name, want)
		switch {
		case err == nil:
			segments = append(segments, s)
		case isMissing(err) || errors.Is(err, ErrNewer) && !l.readOnly:
			return f, err
		default:
			f.problems = append(f.problems, problemOf(name, err))
		}
	}
	l.begins(&f, spans)
	err = l.resolve(&f, segments)
	return f, err
}
