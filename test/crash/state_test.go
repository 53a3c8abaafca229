package crash

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/brockdb/brock/app"
)

// A writer's records are a function of how many batches it has written, so whatever is
// found in a table is either exactly one of those states, or torn.

const (
	logLength    = 8    // how many of its last batches a writer keeps a record of
	ballastCount = 400  // records of the table of files, which nobody writes
	ballastBytes = 1000 // of each, by and large
)

// batch is a writer's nth, counted from 1: puts and, from some time on, a delete.
func batch(writer string, n int) app.Batch {
	number := strconv.AppendInt(nil, int64(n), 10)
	b := app.Batch{
		{Key: []byte(writer + "/first"), Value: number},
		{Key: []byte(writer + "/second"), Value: number},
		{Key: logKey(writer, n), Value: payload(writer, n, 20+n%300)},
	}
	if n > logLength {
		b = append(b, app.Op{Key: logKey(writer, n-logLength), Delete: true})
	}
	return b
}

func logKey(writer string, n int) []byte { return fmt.Appendf(nil, "%s/log/%06d", writer, n) }

// payload is bytes that only this record can have.
func payload(writer string, n, size int) []byte {
	text := fmt.Sprintf("%s %d|", writer, n)
	b := []byte(strings.Repeat(text, size/len(text)+1))
	x := uint32(n)*2654435761 + 12345
	for i := len(text); i < len(b); i++ { // else it would compress to nothing
		x = x*1664525 + 1013904223
		b[i] ^= byte(x >> 24)
	}
	return b[:max(size, len(text))]
}

// stateOf says how many batches a writer has written, by its records, or what is wrong
// with them.
func stateOf(writer string, records map[string][]byte) (n int, problem string) {
	if first, ok := records[writer+"/first"]; ok {
		var err error
		if n, err = strconv.Atoi(string(first)); err != nil || n < 1 {
			return 0, fmt.Sprintf("%s/first holds %q", writer, first)
		}
	}
	want := map[string][]byte{}
	for i := max(1, n-logLength+1); i <= n; i++ {
		for _, op := range batch(writer, i) {
			want[string(op.Key)] = op.Value
		}
	}
	for i := max(1, n-logLength+1) - logLength; i <= n-logLength; i++ {
		delete(want, string(logKey(writer, i)))
	}
	return n, differ(writer, n, want, records)
}

func differ(writer string, n int, want, have map[string][]byte) string {
	for key, value := range have {
		if !strings.HasPrefix(key, writer+"/") {
			continue
		}
		if w, ok := want[key]; !ok {
			return fmt.Sprintf("%s is there after batch %d, and must not be", key, n)
		} else if !bytes.Equal(w, value) {
			return fmt.Sprintf("%s holds %.40q after batch %d", key, value, n)
		}
	}
	for key := range want {
		if _, ok := have[key]; !ok {
			return fmt.Sprintf("%s is missing after batch %d", key, n)
		}
	}
	return ""
}

// ballast are the records that make the table of files large enough for files.
func ballast(from, to int) (b app.Batch) {
	for i := from; i < to; i++ {
		b = append(b, app.Op{Key: fmt.Appendf(nil, "ballast/%04d", i), Value: payload("ballast", i, ballastBytes)})
	}
	return b
}

// checkBallast says what is wrong with them.
func checkBallast(records map[string][]byte) string {
	want := map[string][]byte{}
	for _, op := range ballast(0, ballastCount) {
		want[string(op.Key)] = op.Value
	}
	return differ("ballast", ballastCount, want, records)
}

// owner is the writer that a record is of.
func owner(key string) string {
	if strings.HasPrefix(key, "ballast/") {
		return "ballast"
	}
	for _, part := range []string{"/first", "/second"} {
		if w, ok := strings.CutSuffix(key, part); ok {
			return w
		}
	}
	w, _, _ := strings.Cut(key, "/log/")
	return w
}
