package changelog

import (
	"context"
	"slices"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// Restore is a restore of a table: at version At it became what it was at From, or
// empty where that is 0.
type Restore struct{ From, At storage.Version }

// restoresOf names what was read of one segment.
type restoresOf struct{ segment, table string }

// Restores returns the table's restores that the log has, oldest first. The head of a
// segment tells that it has some, its commits tell which: they are read once. Of a
// segment that is damaged or gone it returns what can be read, and what the head tells:
// the lowest version that was restored and the last restore. Errors are of ctx, and of a
// segment that cannot be read for now.
func (l *Log) Restores(ctx context.Context, table string) (all []Restore, err error) {
	for range 20 { // a merge may replace what is being read
		if all, err = l.restores(ctx, table, false); !isMissing(err) {
			return all, err
		}
		if l.readOnly {
			if err := l.load(); err != nil {
				return nil, err
			}
		}
	}
	return l.restores(ctx, table, true)
}

func (l *Log) restores(ctx context.Context, table string, lost bool) (all []Restore, err error) {
	for _, s := range l.Segments() {
		t, ok := s.Table(table)
		if !ok || t.Restored == 0 {
			continue
		}
		l.mu.Lock()
		found, known := l.known[restoresOf{s.Name, table}]
		l.mu.Unlock()
		if known {
			all = append(all, found...)
			continue
		}
		found, err = l.readRestores(ctx, step{s, t})
		switch cause := ctx.Err(); {
		case cause != nil:
			return nil, cause
		case err == nil:
			l.know(restoresOf{s.Name, table}, found)
		case isMissing(err) && !lost || disk.IsUnreadable(err):
			return nil, err
		default:
			found = append(found, Restore{t.Restored - 1, t.RestoredAt})
		}
		all = append(all, found...)
	}
	return all, nil
}

func (l *Log) readRestores(ctx context.Context, s step) (found []Restore, err error) {
	err = l.open(ctx, s.Name, s.span(), func(rd *reader) error {
		i, ok := rd.head.find(s.TableState.Table)
		if !ok {
			return rd.damage(0, s.TableState.Table, nil, "is not the segment that it was")
		}
		return rd.frames(i, newAccount(&rd.head, nil), func(_ int, c storage.Commit) error {
			if c.Restored != nil {
				found = append(found, Restore{*c.Restored, c.Ledger.Version})
			}
			return nil
		})
	})
	return found, err
}

// know keeps what was read, and forgets it of segments that are gone.
func (l *Log) know(of restoresOf, found []Restore) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old := range l.known {
		if !slices.ContainsFunc(l.chain, func(s Segment) bool { return s.Name == old.segment }) {
			delete(l.known, old)
		}
	}
	l.known[of] = found
}
