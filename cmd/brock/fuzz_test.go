package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// FuzzConfig: a file has settings that there are, each of one line of text, or it is
// refused with its name and a place.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{sampleConfig(), strings.ReplaceAll(sampleConfig(), "#", ""), "", "# only\n", "keep: 3\nkeep: 4\n", "keep: [1, 2]", "tables: [a, [b]]", "tables: {a: b}",
		"tables: &a [x]\nhttp_hosts: *a\n", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "tables: &a [*a]", "--- \nkeep: 3\n---\nname: x\n", "? keep\n: 3\n", "!!binary keep: x",
		"keep: |\n  3\n", "keep: >-\n a\n b\n", "<<: {keep: 3}", "[]", "3", "\"keep\": 3", "keep:\t3", "\ufeffkeep: 3", "name: \"\\ud800\"", "name: \x00", "tables: [" + strings.Repeat("[", 200),
		"fresh: .nan", "keep: 0x1F", "keep: 1e400", "log_interval: 2026-11-22", "%YAML 9.9\n---\nkeep: 3", "keep: !x 3"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseConfig("brock.yaml", b)
		if err != nil {
			if got != nil || !strings.HasPrefix(err.Error(), "brock.yaml:") {
				t.Fatalf("%q", err)
			}
			return
		}
		for key, s := range got {
			if !slices.Contains(settingKeys(), key) || !strings.HasPrefix(s.where, "brock.yaml:") {
				t.Fatalf("%s: %+v", key, s)
			}
		}
	})
}

// pack is text in gzip and zstd.
func pack(text string) (gz, zst []byte) {
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	_, _ = io.WriteString(g, text)
	_ = g.Close()
	z, _ := zstd.NewWriter(nil)
	defer func() { _ = z.Close() }()
	return b.Bytes(), z.EncodeAll([]byte(text), nil)
}

// FuzzImportFile: whatever a file holds, packed or not, it is read in batches that a
// request can hold, of whole lines whose numbers are right; or it is refused.
func FuzzImportFile(f *testing.F) {
	lines := strings.Repeat("{\"table\":\"a\",\"key\":\"k\",\"value\":1}\n", 1001)
	gz, zst := pack(lines)
	for _, b := range [][]byte{nil, []byte(lines), []byte("no end"), []byte("\n\n\n"), gz, gz[:len(gz)/2], append(slices.Clone(gz), gz...), append(slices.Clone(gz), 0), zst, zst[:len(zst)/2],
		append(slices.Clone(zst), zst...), gzipMagic, zstdMagic, append(slices.Clone(zstdMagic), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := (&cli{in: bytes.NewReader(b)}).openLines("-")
		if err != nil {
			return
		}
		defer l.close()
		next := 1
		for range 20 { // a bomb has any number
			batch, first, err := l.batch()
			if err != nil || len(batch) == 0 {
				return
			}
			n := bytes.Count(batch, []byte("\n"))
			if first != next || batch[len(batch)-1] != '\n' || n > batchLines || n > 1 && len(batch) > batchBytes || len(batch) > lineBytes+1 {
				t.Fatalf("a batch of %d lines and %d bytes begins with line %d, not %d", n, len(batch), first, next)
			}
			next += n
		}
	})
}

// FuzzEnvironment: what a shell hands over is taken apart without loss.
func FuzzEnvironment(f *testing.F) {
	f.Add("BROCK_KEEP", "3")
	f.Add("", "=")
	f.Add("A", "b=c\n")
	f.Fuzz(func(t *testing.T, name, value string) {
		if strings.Contains(name, "=") {
			return
		}
		env := environment([]string{name + "=" + value})
		if env[name] != value {
			t.Fatalf("%q is %q", value, env[name])
		}
		unknown := (&cli{env: env}).unknownVariables()
		if len(unknown) > 1 || len(unknown) == 1 && (unknown[0] != name || !strings.HasPrefix(name, "BROCK_")) {
			t.Fatalf("%q", unknown)
		}
	})
}
