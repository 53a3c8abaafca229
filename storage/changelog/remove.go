package changelog

import (
	"context"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
)

// Remove removes whole segments that end at the version or before, oldest first, and
// returns their names; also damaged ones, which are in no chain. It stops at what
// [Log.Hold] keeps and never removes the newest segment, which tells where the log
// ends. Each removal is durable before the next, so no hole can be left, and before the first the file begin
// says how far they go.
func (l *Log) Remove(ctx context.Context, before storage.Version) (removed []string, err error) {
	if err := l.mayWrite(); err != nil {
		return nil, err
	}
	l.tending.Lock()
	defer l.tending.Unlock()
	names, next, err := l.removable(before)
	if err != nil {
		return nil, fmt.Errorf("change log %s: %w", l.dir, err)
	}
	if len(names) > 0 {
		if err := l.writeBegin(next); err != nil {
			return nil, fmt.Errorf("change log %s: %w", l.dir, err)
		}
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if !l.drop(name) {
			break
		}
		err := l.fs.Remove(l.path(name))
		if err == nil {
			err = l.fs.SyncDir(l.dir)
		}
		if err != nil {
			return removed, fmt.Errorf("change log %s: %w", l.dir, err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// removable lists the folder, so as to find what is in no chain, too. next is where what
// stays begins.
func (l *Log) removable(before storage.Version) (names []string, next storage.Version, err error) {
	if before = min(before, l.held()); before == 0 {
		return nil, 0, nil
	}
	entries, err := l.fs.ReadDir(l.dir)
	if isMissing(err) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	end := l.Through()
	next = end
	for _, e := range entries {
		switch s, ok := parseSpan(e.Name()); {
		case !ok || !e.Type().IsRegular():
		case s.to <= before && s.to < end:
			names = append(names, e.Name())
		default:
			next = min(next, s.from)
		}
	}
	slices.Sort(names)
	return names, next, nil
}

// drop takes a segment out of the chain before its file goes. It refuses what a
// reader has come to hold meanwhile.
func (l *Log) drop(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, _ := parseSpan(name); s.to > l.heldLocked() {
		return false
	}
	l.chain = slices.DeleteFunc(slices.Clone(l.chain), func(s Segment) bool { return s.Name == name })
	l.problems = slices.DeleteFunc(slices.Clone(l.problems), func(p Problem) bool {
		s, ok := parseSpan(p.File)
		return p.File == name || p.File == beginName || ok && len(l.chain) > 0 && s.to <= l.chain[0].From // what is missing before it matters no more
	})
	return true
}

// held returns the lowest version that a reader holds.
func (l *Log) held() storage.Version {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heldLocked()
}

func (l *Log) heldLocked() storage.Version {
	lowest := storage.MaxVersion
	for _, v := range l.holds {
		lowest = min(lowest, v)
	}
	return lowest
}
