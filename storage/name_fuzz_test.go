package storage

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzNames: what passes for a name is safe as the name of a folder and in a NATS
// subject; what does not is refused in a line that holds no more of it than a line takes.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "a", "task_queue", "task.queue-1", ".", "..", "...", ".hidden", "-rf", "_x", "A", "a/b", `a\b`, "a\x00", "a\n",
		"ａ", "con", "a b", strings.Repeat("a", 64), strings.Repeat("a", 65), "a..", "é"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		table, hub := CheckTableName(name), CheckHubName(name)
		if table == nil && (!filepath.IsLocal(name) || filepath.Base(name) != name || strings.ToLower(name) != name || len(name) > 64) {
			t.Fatalf("table %q", name)
		}
		if hub == nil && (!filepath.IsLocal(name) || strings.ContainsAny(name, ".*> \t") || len(name) > 64) {
			t.Fatalf("hub %q", name)
		}
		for _, err := range []error{table, hub} {
			if err != nil && (!errors.Is(err, ErrInvalidName) || len(err.Error()) > 600 || !utf8.ValidString(err.Error()) || strings.Contains(err.Error(), "\n")) {
				t.Fatalf("%q", err)
			}
		}
	})
}
