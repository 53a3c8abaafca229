package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Damage flips a bit in every place of the table's files at which one of the texts
// stands, a value say, as a bad disk would: also while the hub runs, behind its back.
// What is only in memory so far is not there yet: after [Harness.Restart] it is. It
// returns the files that it changed; a text that stands in none fails the test.
func (h *Harness) Damage(table string, texts ...string) (files []string) {
	h.t.Helper()
	found := map[string]bool{}
	for _, file := range h.StoreFiles(table, "*") {
		if h.flip(file, texts, found) {
			files = append(files, file)
		}
	}
	for _, text := range texts {
		if !found[text] {
			h.t.Fatalf("harness: %q stands in no file of table %s", text, table)
		}
	}
	return files
}

// StoreFiles returns the files of the table's store whose names match the pattern,
// sorted.
func (h *Harness) StoreFiles(table, pattern string) []string {
	h.t.Helper()
	dir := filepath.Join(h.config().Data, "tables", table)
	var mark struct {
		Current string `json:"current"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "table.json"))
	if err == nil {
		err = json.Unmarshal(b, &mark)
	}
	if err != nil {
		h.t.Fatalf("harness: table %s: %v", table, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "store", mark.Current, pattern))
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	slices.Sort(files)
	return files
}

// flip flips a bit in the middle of each place of the file where a text stands, and notes
// the texts that it found.
func (h *Harness) flip(file string, texts []string, found map[string]bool) (hit bool) {
	h.t.Helper()
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false // the hub has met the damage in another one, and closed the store
	}
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		h.t.Fatalf("harness: %v", err)
	}
	defer f.Close()
	content = withoutRoom(content)
	for _, text := range texts {
		for at := 0; ; at += len(text) {
			i := bytes.Index(content[at:], []byte(text))
			if i < 0 {
				break
			}
			at += i
			hit, found[text] = true, true
			middle := at + len(text)/2
			if _, err := f.WriteAt([]byte{content[middle] ^ 1}, int64(middle)); err != nil {
				h.t.Fatalf("harness: %v", err)
			}
		}
	}
	return hit
}

// withoutRoom leaves out the zeros at the end: Badger's files are mostly room.
func withoutRoom(content []byte) []byte {
	zeros := make([]byte, 64<<10)
	for bytes.HasSuffix(content, zeros) {
		content = content[:len(content)-len(zeros)]
	}
	return content
}
