package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/storage"
)

// line is one record as import reads it and as scan and export print it.
type line struct {
	Table     string          `json:"table"`
	Key       *string         `json:"key,omitempty"`
	KeyB64    *[]byte         `json:"key_base64,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	ValueB64  *[]byte         `json:"value_base64,omitempty"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
}

// parseLine reads one line of an import.
func parseLine(b []byte) (table string, op storage.Op, err error) {
	var l line
	if err := road.Decode(b, &l); err != nil {
		return "", op, fmt.Errorf("%w line: %w", ErrInvalid, err)
	}
	if !utf8.Valid(b) {
		return "", op, fmt.Errorf("%w line: it is not UTF-8; use key_base64 and value_base64", ErrInvalid)
	}
	if err := storage.CheckTableName(l.Table); err != nil {
		return "", op, err
	}
	switch {
	case l.Key != nil && l.KeyB64 == nil:
		op.Key = []byte(*l.Key)
	case l.KeyB64 != nil && l.Key == nil:
		op.Key = *l.KeyB64
	default:
		return "", op, fmt.Errorf("%w line: it needs either key or key_base64", ErrInvalid)
	}
	switch {
	case l.Value != nil && l.ValueB64 == nil:
		var compact bytes.Buffer
		if err := json.Compact(&compact, l.Value); err != nil {
			return "", op, fmt.Errorf("%w value: %w", ErrInvalid, err)
		}
		op.Value = compact.Bytes()
	case l.ValueB64 != nil && l.Value == nil:
		op.Value = *l.ValueB64
	default:
		return "", op, fmt.Errorf("%w line: it needs either value or value_base64", ErrInvalid)
	}
	if l.ExpiresAt != nil {
		op.ExpiresAt = *l.ExpiresAt
	}
	_, err = storage.Batch{op}.Check()
	return l.Table, op, err
}

// appendLine writes a record as a line that parseLine turns into the same bytes.
func appendLine(b []byte, table string, r storage.Record) []byte {
	b = appendValue(appendKey(b, table, r.Key), r.Value)
	return append(appendExpiry(b, r.ExpiresAt), '}')
}

// appendKey begins a line.
func appendKey(b []byte, table string, key []byte) []byte {
	b = append(b, `{"table":`...)
	b = appendString(b, table)
	if !utf8.Valid(key) {
		return appendBase64(b, `,"key_base64":"`, key)
	}
	b = append(b, `,"key":`...)
	return appendString(b, string(key))
}

func appendValue(b, value []byte) []byte {
	if !isCompactJSON(value) {
		return appendBase64(b, `,"value_base64":"`, value)
	}
	return append(append(b, `,"value":`...), value...)
}

func appendExpiry(b []byte, at time.Time) []byte {
	if at.IsZero() {
		return b
	}
	b = append(b, `,"expires_at":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendBase64(b []byte, name string, data []byte) []byte {
	b = append(b, name...)
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, '"')
}

// appendString quotes a string without escaping what HTML would.
func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// isCompactJSON says whether the bytes are one JSON value just as json.Compact
// would write it, so that they may stand in a line as they are.
func isCompactJSON(v []byte) bool {
	if len(v) == 0 || !utf8.Valid(v) {
		return false
	}
	var buf bytes.Buffer
	return json.Compact(&buf, v) == nil && bytes.Equal(buf.Bytes(), v)
}
