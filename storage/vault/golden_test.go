package vault

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// randomPart is a proof's own id.
var randomPart = regexp.MustCompile(`(proofs/\S+_)[0-9a-v]{12}\.json`)

var update = flag.Bool("update", false, "rewrite testdata")

// The transcripts pin the order of writes, fsyncs and renames: what a commit is.
func TestTranscripts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	rec := disktest.NewTap(disk.OS, dir)
	var v *Vault
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"open", func() { v = openVault(t, rec, dir) }},
		{"first-backup", func() { backup(t, v, 0, records(20_000), "task", "task_queue") }},
		{"second-backup", func() { backup(t, v, 1, records(3), "task") }},
		{"retain", func() {
			_, err := v.Retain(t.Context(), "task", 1, 0)
			require.NoError(t, err)
		}},
		{"drill", func() {
			v.build = fakeBuild
			v.now = func() time.Time { return epoch }
			_, err := v.Drill(t.Context(), "task", nameAt(1), t.TempDir())
			require.NoError(t, err)
		}},
		{"read-only", func() {
			clean(t, v)
			_, err := v.List()
			require.NoError(t, err)
		}},
	} {
		rec.Forget()
		step.do()
		var lines strings.Builder
		for _, op := range rec.Changes() {
			lines.WriteString(randomPart.ReplaceAllString(op, "${1}ID.json") + "\n")
		}
		file := filepath.Join("testdata", "transcripts", step.name+".txt")
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o644))
		}
		require.Equal(t, string(read(t, file)), lines.String(), "%s: run with -update when the change is meant", step.name)
	}
}
