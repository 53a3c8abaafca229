package changelog

import (
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage"
)

// FuzzNames: what passes for the name of a segment is the one way to write its span.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "0000000000000000-0000000000000010.log", "0000000000000010-0000000000000010.log", "0000000000000000-9007199254740991.log",
		"0000000000000000-9007199254740992.log", "0000000000000000-18446744073709551615.log", "0000000000000000-000000000000001.log", "+000000000000000-0000000000000010.log",
		"-.log", ".log", "0-1-2.log", "../0000000000000000-0000000000000010.log"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, ok := parseSpan(name)
		if !ok {
			return
		}
		if s.String() != name || s.from >= s.to || s.to > storage.MaxVersion || filepath.Base(name) != name {
			t.Fatalf("%q is %v", name, s)
		}
	})
}
