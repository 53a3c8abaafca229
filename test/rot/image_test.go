package rot

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// image is a directory in memory, by name: of each file what comes before the zeros at
// its end, and its size, so that Badger's sparse files cost little.
type image map[string]blob

type blob struct {
	data []byte
	size int
}

func imageOf(t *testing.T, dir string) image {
	im := image{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		used := len(bytes.TrimRight(b, "\x00"))
		im[filepath.ToSlash(rel)] = blob{slices.Clone(b[:used]), len(b)}
		return err
	}))
	return im
}

// write writes the directory, zeros at the ends of files as holes.
func (im image) write(t *testing.T, dir string) {
	for _, name := range slices.Sorted(maps.Keys(im)) { // copies after what they are of
		b, file := im[name], filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, b.data, 0o600))
		if b.size > len(b.data) {
			require.NoError(t, os.Truncate(file, int64(b.size)))
		}
	}
	for _, e := range []string{"data/events", "data/scratch"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, e), 0o700))
	}
}

// names are those of all files that a mutation may hurt, sorted: not the vault's, not
// NATS' own.
func (im image) names() (names []string) {
	for name := range im {
		if strings.HasPrefix(name, "data/") && !strings.HasPrefix(name, "data/jetstream/") && liveKind(name) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// liveKind is the kind of a file of the data directory, "" where nothing can be hurt.
func liveKind(name string) string {
	switch base := filepath.Base(name); {
	case base == "brock.lock" || base == "LOCK" || strings.Contains(name, "/scratch/"):
		return ""
	case strings.HasPrefix(name, "data/events/"):
		return "events"
	case filepath.Ext(base) == ".sst", filepath.Ext(base) == ".mem", filepath.Ext(base) == ".vlog":
		return filepath.Ext(base)
	default:
		return base
	}
}
