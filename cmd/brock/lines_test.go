package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/bus"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// all reads every batch and returns the first lines' numbers and the sizes.
func all(t *testing.T, l *lines) (text string, firsts []int) {
	t.Helper()
	defer l.close()
	for {
		b, first, err := l.batch()
		require.NoError(t, err)
		if len(b) == 0 {
			return text, firsts
		}
		text += string(b)
		firsts = append(firsts, first)
	}
}

func fromStdin(t *testing.T, in io.Reader) *lines {
	t.Helper()
	l, err := (&cli{in: in}).openLines("-")
	require.NoError(t, err)
	return l
}

func TestBatchesHoldAThousandLines(t *testing.T) {
	var in strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&in, "line %d\n", i)
	}
	text, firsts := all(t, fromStdin(t, strings.NewReader(strings.TrimSuffix(in.String(), "\n"))))
	require.Equal(t, in.String(), text, "the last line has an end")
	require.Equal(t, []int{1, 1001, 2001}, firsts)
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	big := strings.Repeat("x", batchBytes/2) + "\n"
	huge := strings.Repeat("y", 2*batchBytes) + "\n"
	in := "a\n" + big + big + huge + "b\n"
	text, firsts := all(t, fromStdin(t, strings.NewReader(in)))
	require.Equal(t, in, text)
	require.Equal(t, []int{1, 3, 4, 5}, firsts, "a line larger than a batch goes alone")
}

func TestPackedInputIsRecognized(t *testing.T) {
	want := strings.Repeat("a line\n", 100)
	for name, pack := range map[string]func(io.Writer) io.WriteCloser{
		"gz":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zst": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		var packed bytes.Buffer
		z := pack(&packed)
		_, err := io.WriteString(z, want)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		text, _ := all(t, fromStdin(t, bytes.NewReader(packed.Bytes())))
		require.Equal(t, want, text, "%s by its first bytes", name)

		cut := fromStdin(t, bytes.NewReader(packed.Bytes()[:packed.Len()-6]))
		_, _, err = cut.batch()
		require.Error(t, err, "%s that ends early", name)
		cut.close()

		empty := filepath.Join(t.TempDir(), "empty."+name)
		require.NoError(t, os.WriteFile(empty, []byte("no archive\n"), 0o600))
		l, err := (&cli{}).openLines(empty)
		if err == nil {
			_, _, err = l.batch()
			l.close()
		}
		require.Error(t, err, "the name promises %s", name)
	}
}

func TestImportErrorsNameTheLineInTheFile(t *testing.T) {
	hub := &bus.Error{Code: "invalid", Status: 400, Message: "line 3: bad", Body: map[string]any{"line": 3, "problem": "bad"}}
	err := importError(&lines{name: "f", unit: "line", line: 3000}, 2000, 2001, hub)
	require.ErrorContains(t, err, "f: line 2003: bad; nothing of its batch (lines 2001 to 3000) was imported, the 2,000 records before are durable")
	err = importError(&lines{name: "f", unit: "line", line: 2}, 1, 2, errors.New("torn"))
	require.ErrorContains(t, err, "f: torn; what stands from line 2 on may not be imported, the 1 record before are durable")
}
