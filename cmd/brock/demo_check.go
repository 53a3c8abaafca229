package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/brockdb/brock/app"
)

// digest is a hash over all keys and values of a table, in key order, and how many
// records there are.
func digest(ctx context.Context, t *app.Table) (string, int, error) {
	h, n := sha256.New(), 0
	for r, err := range t.Scan(ctx, app.Range{}) {
		if err != nil {
			return "", 0, err
		}
		for _, part := range [][]byte{r.Key, r.Value} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write(part)
		}
		n++
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// deleteHalf deletes every second record and returns how many are left.
func deleteHalf(ctx context.Context, t *app.Table) (uint64, error) {
	var keys [][]byte
	odd := false
	for r, err := range t.Scan(ctx, app.Range{}) {
		if err != nil {
			return 0, err
		}
		if odd = !odd; odd {
			keys = append(keys, append([]byte(nil), r.Key...))
		}
	}
	if _, err := t.Delete(ctx, keys...); err != nil {
		return 0, err
	}
	return t.Count(ctx)
}
