package vault

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
)

// FuzzNames: what passes for the name of a snapshot, a run or a file is a name within
// its folder, and the one way to write what it says.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", nameAt(0), runAt(0), nameAt(0) + "x", "2026-02-30T00-00-00.000Z_" + runAt(0), "2026-11-22T21-04-05.123Z_" + strings.Repeat("z", 32),
		"9999-12-31T23-59-59.999Z_00000000", "0000-01-01T00-00-00.000Z_00000000", "../" + nameAt(0), "2026-11-22T21-04-05,123Z_00000000", "000001.frames", "a..", "..", strings.Repeat("a", 1<<16)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, stamped := parseStamp(name)
		if stamped && s.String() != name {
			t.Fatalf("%q is %q", name, s)
		}
		if stamped && s.top() > storage.MaxVersion {
			t.Fatalf("%q: version %d", name, s.top())
		}
		err := checkRunID(name)
		if err != nil && len(err.Error()) > 600 {
			t.Fatalf("%d bytes of error", len(err.Error()))
		}
		if (stamped || err == nil || safeName.MatchString(name)) && (!filepath.IsLocal(name) || filepath.Base(name) != name) {
			t.Fatalf("%q leads out of its folder", name)
		}
	})
}
