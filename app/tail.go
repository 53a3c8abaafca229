package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/brockdb/brock/storage"
)

// tailRequest asks for a table's changes after a position. The first request says
// where to begin, each later one goes on from where the reply before ended.
type tailRequest struct {
	Table string           `json:"table"`
	From  string           `json:"from"` // a moment to begin after; "": now
	After *storage.Version `json:"after"`
	Skip  int              `json:"skip"`  // changes of the commit behind After that are known
	Until string           `json:"until"` // a moment to end at; "": none
	Limit int              `json:"limit"` // changes; 0: a page
	Wait  int64            `json:"wait_ms"`
}

// tailReply is a page. It may be empty where nobody commits.
type tailReply struct {
	Lines string          `json:"lines"` // changes as JSON lines
	After storage.Version `json:"after"` // all changes up to it are delivered
	Skip  int             `json:"skip"`  // and so many of the commit behind it
	Until storage.Version `json:"until"` // the version to end at; 0: none
	Done  bool            `json:"done"`  // all up to it is delivered
}

// tailWait bounds how long a request waits for commits.
const tailWait = 30 * time.Second

// tail reads a page of a table's change log, and waits for one as long as the request
// wants to.
func (h *Hub) tail(ctx context.Context, r tailRequest) (any, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	out, upTo, err := h.tailBounds(ctx, &r)
	if err != nil {
		return nil, err
	}
	wait := h.cfg.Wall.NewTimer(min(time.Duration(r.Wait)*time.Millisecond, tailWait))
	defer wait.Stop()
	for {
		shipped := h.shipper.Shipped()
		p := page{table: r.Table, skip: out.Skip, limit: r.Limit}
		if err := p.read(ctx, h, &out, upTo); err != nil {
			return nil, err
		}
		out.Done = out.Until > 0 && out.After >= upTo
		if out.Lines = string(p.lines); len(p.lines) > 0 || out.Done || r.Wait <= 0 {
			return out, nil
		}
		select {
		case <-shipped:
		case <-wait.Chan():
			r.Wait = 0
		case <-ctx.Done():
			if h.life.Err() == nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("hub %s: %w", h.cfg.Name, ErrClosed)
		}
	}
}

// tailBounds says where the request begins and ends.
func (h *Hub) tailBounds(ctx context.Context, r *tailRequest) (out tailReply, upTo storage.Version, err error) {
	if _, err := h.group.Table(r.Table); err != nil {
		return out, 0, err
	}
	followed := func(tables []string) (storage.Version, error) { return h.logged(tables), nil }
	switch {
	case h.shipper == nil:
		return out, 0, fmt.Errorf("%w: the hub keeps no change log that could be followed", ErrInvalid)
	case r.Limit < 0 || r.Skip < 0 || r.Wait < 0:
		return out, 0, fmt.Errorf("%w: limit %d, skip %d, wait_ms %d", ErrInvalid, r.Limit, r.Skip, r.Wait)
	case r.After != nil && r.From != "":
		return out, 0, fmt.Errorf("%w: say from or after, not both", ErrInvalid)
	case r.After != nil:
		out.After, out.Skip = *r.After, r.Skip
	default:
		from := r.From
		if from == "" {
			from = Latest
		}
		if out.After, err = h.moment(ctx, from, []string{r.Table}, followed); err != nil {
			return out, 0, err
		}
	}
	if r.Until == "" {
		return out, storage.MaxVersion, nil
	}
	out.Until, err = h.moment(ctx, r.Until, []string{r.Table}, followed)
	return out, out.Until, err
}

// page gathers lines until it is full.
type page struct {
	table string
	skip  int // changes of the first commit that are not to be told
	limit int // changes, 0: any number
	lines []byte
	n     int
}

// read adds what comes after the position, and moves it. Only whole commits move its
// version; of a commit that does not fit, it counts the changes.
func (p *page) read(ctx context.Context, h *Hub, at *tailReply, upTo storage.Version) error {
	through, commits, err := h.vault.Log().Follow(ctx, p.table, at.After, upTo)
	if err != nil {
		return err
	}
	for c, err := range commits {
		if err != nil {
			return err
		}
		told, all, err := p.add(c)
		if err != nil {
			return err
		}
		if !all {
			at.Skip = p.skip + told
			return nil
		}
		at.After, at.Skip, p.skip = c.Ledger.Version, 0, 0
	}
	at.After, at.Skip = through, 0
	return nil
}

// add tells the changes of a commit, as many as there is room for.
func (p *page) add(c storage.Commit) (told int, all bool, err error) {
	if c.Restored != nil {
		c.Changes = []storage.Entry{{}} // one line
	}
	for _, e := range c.Changes[min(p.skip, len(c.Changes)):] {
		if p.limit > 0 && p.n >= p.limit {
			return told, false, nil
		}
		line := appendRestored(nil, p.table, c)
		if c.Restored == nil {
			if line, err = appendChange(nil, p.table, e); err != nil {
				return told, false, err
			}
		}
		if len(p.lines) > 0 && len(p.lines)+len(line) > pieceBytes {
			return told, false, nil
		}
		p.lines = append(append(p.lines, line...), '\n')
		p.n++
		told++
	}
	return told, true, nil
}

// appendChange writes one change as a line.
func appendChange(b []byte, table string, e storage.Entry) ([]byte, error) {
	b = appendKey(b, table, e.Key)
	if e.Envelope == nil {
		b = append(b, `,"deleted":true`...)
		return append(appendVersion(b, "version", "at", e.Version), '}'), nil
	}
	r, _, problem := e.Open()
	if problem != "" {
		return nil, &DamageError{Table: table, Problem: fmt.Sprintf("key %.80q: %s", e.Key, problem)}
	}
	b = appendValue(b, r.Value)
	b = appendVersion(b, "version", "at", e.Version)
	return append(appendExpiry(b, r.ExpiresAt), '}'), nil
}

// appendRestored writes a restore, which replaces the whole table, as a line.
func appendRestored(b []byte, table string, c storage.Commit) []byte {
	if c.Restored == nil {
		return b
	}
	b = appendString(append(b, `{"table":`...), table)
	b = appendVersion(b, "restored", "restored_at", *c.Restored)
	return append(appendVersion(b, "version", "at", c.Ledger.Version), '}')
}

// appendVersion writes a version and its time; 0, the beginning, has none.
func appendVersion(b []byte, name, at string, v storage.Version) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	b = strconv.AppendUint(b, uint64(v), 10)
	b = append(append(append(b, `,"`...), at...), `":`...)
	if v == 0 {
		return append(b, "null"...)
	}
	b = append(b, '"')
	return append(v.Time().UTC().AppendFormat(b, time.RFC3339Nano), '"')
}
