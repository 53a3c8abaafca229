package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/storage"
)

// The bodies of the record requests.
type (
	keyRequest struct {
		Table  string `json:"table"`
		Key    []byte `json:"key_base64"`
		KeyStr string `json:"key"`
	}
	getRequest struct {
		keyRequest
		At string `json:"at"` // a moment; "" for now
	}
	getReply struct {
		Table     string          `json:"table"`
		Key       []byte          `json:"key_base64"`
		Value     []byte          `json:"value_base64"`
		Version   storage.Version `json:"version"`
		ExpiresAt *time.Time      `json:"expires_at"`
	}
	putRequest struct {
		keyRequest
		Value     []byte          `json:"value_base64"`
		ExpiresAt *time.Time      `json:"expires_at"`
		IfAbsent  bool            `json:"if_absent"`
		IfVersion storage.Version `json:"if_version"`
	}
	deleteRequest struct {
		Table string   `json:"table"`
		Keys  [][]byte `json:"keys_base64"`
	}
	versionReply struct {
		Table   string          `json:"table"`
		Version storage.Version `json:"version"`
	}
	countReply struct {
		Tables []road.TableCount `json:"tables"`
	}
	scanRequest struct {
		Table   string `json:"table"`
		Prefix  []byte `json:"prefix_base64"`
		From    []byte `json:"from_base64"`
		To      []byte `json:"to_base64"`
		Limit   int    `json:"limit"`
		Reverse bool   `json:"reverse"`
		// As the table was at a moment, or as a snapshot has it; "" for now.
		At       string `json:"at"`
		Snapshot string `json:"snapshot"`
		Format   string `json:"format"`
		Cursor   string `json:"cursor"` // of the piece before; the rest is then ignored
	}
	scanReply struct {
		Lines  string `json:"lines"`                   // records as JSON lines
		Stream []byte `json:"stream_base64,omitempty"` // or as a backup of Badger
		Cursor string `json:"cursor"`                  // for the next piece; "" after the last
	}
	importReply struct {
		Records int `json:"records"`
	}
)

func (k keyRequest) key() []byte {
	if len(k.Key) > 0 {
		return k.Key
	}
	return []byte(k.KeyStr)
}

func (h *Hub) getRecord(ctx context.Context, r getRequest) (any, error) {
	rec, err := h.getAt(ctx, r)
	if err != nil {
		return nil, err
	}
	out := getReply{Table: r.Table, Key: rec.Key, Value: rec.Value, Version: rec.Version}
	if !rec.ExpiresAt.IsZero() {
		out.ExpiresAt = &rec.ExpiresAt
	}
	return out, nil
}

func (h *Hub) getAt(ctx context.Context, r getRequest) (Record, error) {
	if r.At != "" {
		t, err := h.TableAt(ctx, r.Table, r.At)
		if err != nil {
			return Record{}, err
		}
		defer t.Close()
		return t.Get(ctx, r.key())
	}
	t, err := h.Table(r.Table)
	if err != nil {
		return Record{}, err
	}
	return t.Get(ctx, r.key())
}

func (h *Hub) putRecord(ctx context.Context, r putRequest) (any, error) {
	t, err := h.Table(r.Table)
	if err != nil {
		return nil, err
	}
	op := Op{Key: r.key(), Value: r.Value, IfAbsent: r.IfAbsent, IfVersion: r.IfVersion}
	if r.ExpiresAt != nil {
		op.ExpiresAt = *r.ExpiresAt
	}
	v, err := t.Apply(ctx, Batch{op})
	return versionReply{r.Table, v}, err
}

func (h *Hub) deleteRecords(ctx context.Context, r deleteRequest) (any, error) {
	t, err := h.Table(r.Table)
	if err != nil {
		return nil, err
	}
	v, err := t.Delete(ctx, r.Keys...)
	return versionReply{r.Table, v}, err
}

func (h *Hub) countRecords(ctx context.Context, r tablesRequest) (any, error) {
	names := r.Tables
	if len(names) == 0 {
		names = h.Tables()
	}
	out := countReply{Tables: []road.TableCount{}}
	for _, name := range names {
		t, err := h.Table(name)
		if err != nil {
			return nil, err
		}
		c := road.TableCount{Table: name}
		if c.Records, err = t.Count(ctx); err != nil {
			c.Error = err.Error()
		}
		out.Tables = append(out.Tables, c)
	}
	return out, nil
}

func (h *Hub) scanRecords(ctx context.Context, r scanRequest) (any, error) {
	var cur *cursor
	var err error
	if r.Cursor != "" {
		cur, err = h.cursors.take(r.Cursor)
	} else {
		cur, err = h.beginScan(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	out, done, err := cur.piece()
	if err != nil || done {
		cur.release()
		return out, err
	}
	h.cursors.put(cur)
	out.Cursor = cur.id
	return out, nil
}

// beginScan opens a cursor. Its scan outlives the request, and so its context.
func (h *Hub) beginScan(ctx context.Context, r scanRequest) (*cursor, error) {
	if r.Limit < 0 {
		return nil, fmt.Errorf("%w: limit %d", ErrInvalid, r.Limit)
	}
	if r.Format != "" && r.Format != formatLines && r.Format != formatBadger {
		return nil, fmt.Errorf("%w format %.20q; it is %s or %s", ErrInvalid, r.Format, formatLines, formatBadger)
	}
	all := Range{Prefix: r.Prefix, From: r.From, To: r.To, Limit: r.Limit, Reverse: r.Reverse}
	if r.At != "" || r.Snapshot != "" {
		t, err := h.earlier(ctx, r.Table, r.At, r.Snapshot)
		if err != nil {
			return nil, err
		}
		return h.cursors.begin(r.Table, r.Format, t.Scan(context.WithoutCancel(ctx), all), t.Close)
	}
	t, err := h.Table(r.Table)
	if err != nil {
		return nil, err
	}
	return h.cursors.begin(r.Table, r.Format, t.Scan(context.WithoutCancel(ctx), all), func() {})
}

// earlier is the table at a moment or as a snapshot has it.
func (h *Hub) earlier(ctx context.Context, table, moment, snapshot string) (*PastTable, error) {
	switch {
	case moment != "" && snapshot != "":
		return nil, fmt.Errorf("%w: name a snapshot or a moment, not both", ErrInvalid)
	case snapshot != "":
		return h.tableIn(ctx, table, snapshot)
	}
	return h.TableAt(ctx, table, moment)
}

// importLines is remote.Import.
func (h *Hub) importLines(ctx context.Context, lines []byte) (int, error) {
	batches := map[string]Batch{}
	n := 0
	for i, p := range h.parseLines(bytes.Split(lines, []byte("\n"))) {
		switch {
		case p.err != nil:
			return 0, &road.LineError{Line: i + 1, Err: p.err}
		case p.table != "":
			batches[p.table] = append(batches[p.table], p.op)
			n++
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for table, b := range batches {
		ref, err := h.group.Table(table)
		if err != nil {
			return 0, err
		}
		wg.Go(func() {
			if err := applyAll(ctx, ref, b); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return 0, failed
	}
	return n, nil
}

// parsed is one line of an import; of a blank one all is empty.
type parsed struct {
	table string
	op    Op
	err   error
}

// parseLines parses on all processors: it is most of an import's work.
func (h *Hub) parseLines(lines [][]byte) []parsed {
	out := make([]parsed, len(lines))
	part := (len(lines) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for from := 0; from < len(lines); from += part {
		wg.Go(func() {
			for i := from; i < min(from+part, len(lines)); i++ {
				if len(bytes.TrimSpace(lines[i])) == 0 {
					continue
				}
				p := &out[i]
				if p.table, p.op, p.err = parseLine(lines[i]); p.err == nil {
					_, p.err = h.group.Table(p.table)
				}
			}
		})
	}
	wg.Wait()
	return out
}

// applyAll commits the operations in as few batches as hold them.
func applyAll(ctx context.Context, t *actors.TableRef, b Batch) error {
	for len(b) > 0 {
		var cost storage.Cost
		n := 0
		for n < len(b) {
			next := cost.Add(b[n].Cost())
			if n > 0 && !next.Fits() {
				break
			}
			cost = next
			n++
		}
		if _, err := t.Apply(ctx, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
