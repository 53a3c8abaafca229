package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brockdb/brock/storage"
)

// FuzzLine: a line of an import is one JSON object that a table can take, and what is
// exported of it is imported as the same; or it is refused.
func FuzzLine(f *testing.F) {
	for _, line := range []string{`{"table":"a","key":"k","value":{"n":1}}`, `{"table":"a","key_base64":"/w==","value_base64":"AAE="}`, `{"table":"a","key":"k","value":null}`,
		`{"table":"a","key":"k","value": [ 1 , "<é\u2028>" ] ,"expires_at":"2030-01-01T00:00:00.123456789Z"}`, `{"table":"a","key":"k","value":1,"expires_at":"9999-12-31T23:59:59-23:59"}`,
		`{"table":"a","key":"k","value":1}}`, `{"table":"a","key":"k","value":1}]`, `{"table":"a","key":"k","value":1}{}`, `{"table":"a","key":"k","value":1} x`,
		`{"table":"../a","key":"k","value":1}`, `{"Table":"a","KEY":"k","value":1}`, `{"table":"a","table":"b","key":"k","value":1}`, `{"table":"a","key":"","value":1}`,
		`{"table":"a","key":"\ud800","value":"\ud800"}`, `{"table":"a","key":"k","key_base64":"aw==","value":1}`, `{"table":"a","key":"k","value":1e999999}`,
		`{"table":"a","key":"` + strings.Repeat("k", 5000) + `","value":1}`, `{"table":"a","key":"k","value":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		`{"table":"a","key":"k","value":` + strings.Repeat(`{"a":`, 20000), "null", "[]", "", "\xff", "{\"table\":\"a\",\"key\":\"\xff\",\"value\":1}", `{"table":"a","key":"k","value":1,"expires_at":"1969-01-01T00:00:00Z"}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		table, op, err := parseLine(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrInvalidName) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%q: %v", b, err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is taken, and is no JSON", b)
		}
		if _, err := (Batch{op}).Check(); err != nil {
			t.Fatal(err)
		}
		if len(op.Key)+len(op.Value) > len(b) {
			t.Fatalf("%q holds more than it has", b)
		}
		line := appendLine(nil, table, storage.Record{Key: op.Key, Value: op.Value, ExpiresAt: op.ExpiresAt})
		table2, op2, err := parseLine(line)
		if err != nil || table2 != table || !bytes.Equal(op2.Key, op.Key) || !bytes.Equal(op2.Value, op.Value) || !op2.ExpiresAt.Equal(op.ExpiresAt) {
			t.Fatalf("%q is exported as %q, which is imported as %+v: %v", b, line, op2, err)
		}
		if bytes.ContainsAny(line, "\r\n") || !utf8.Valid(line) || !json.Valid(line) {
			t.Fatalf("%q is no line", line)
		}
	})
}
