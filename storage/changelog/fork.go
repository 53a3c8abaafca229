package changelog

import (
	"context"

	"github.com/brockdb/brock/storage"
)

// Forked says whether the log has another past of the table than the one that leads to
// the ledger: by the log, the table was something else when it was that. It is so when
// two hubs had one vault, in turns, and each went on by itself.
func (l *Log) Forked(ctx context.Context, table string, at storage.Ledger) (bool, error) {
	defer l.Hold(at.Version)()
	for _, s := range l.Segments() {
		t, ok := s.Table(table)
		switch {
		case !ok || t.Through < at.Version:
			continue
		case t.Break || t.Before.Commits > at.Commits: // it does not know
			return false, nil
		case t.After.Commits < at.Commits:
			return true, nil
		}
		has := same(t.Before, at)
		_, err := l.readAll(ctx, s.Name, s.span(), nil, func(h *Head, i int, c storage.Commit) error {
			has = has || h.Tables[i].Table == table && same(c.Ledger, at)
			return nil
		})
		return !has && err == nil, err
	}
	return false, nil
}
