// Package test has what concerns the whole project.
package test

import (
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/brockdb/brock/"

// rooms says which rooms a room may use; imports run one way.
var rooms = map[string][]string{
	"cmd":     {"app", "bus"}, // app/remote for its plumbing, bus for its client and the names of roles and events
	"app":     {"app", "actors", "storage", "bus"},
	"actors":  {"storage", "bus"},
	"bus":     {},
	"storage": {"storage"},
}

// owners says which room alone may use a library, so that it can be replaced there.
var owners = map[string]string{
	"github.com/dgraph-io/badger/":      "storage",
	"github.com/asynkron/protoactor-go": "actors",
	"github.com/nats-io/":               "bus",
	"github.com/spf13/cobra":            "cmd",
	"github.com/prometheus/":            "app",
}

// TestImportsRunOneWay keeps the walls of ARCHITECTURE.md: a room that starts to
// use one above it, or a library that is not its own, cannot be understood or
// tested alone any more.
func TestImportsRunOneWay(t *testing.T) {
	checked := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != ".." || d.Name() == "testdata" {
			return filepath.SkipDir
		}
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		room, _, _ := strings.Cut(rel, "/")
		allowed, isRoom := rooms[room]
		if !isRoom {
			return nil
		}
		p, err := build.ImportDir(path, 0)
		if err != nil { // a folder without Go files
			return nil
		}
		checked++
		for _, imp := range p.Imports {
			if target, ok := strings.CutPrefix(imp, module); ok {
				top, _, _ := strings.Cut(target, "/")
				require.True(t, slices.Contains(allowed, top), "%s imports %s: %s may use only %v; see ARCHITECTURE.md", rel, target, room, allowed)
			}
			for lib, owner := range owners {
				require.False(t, strings.HasPrefix(imp, lib) && room != owner, "%s imports %s, which only %s may use; ask %s for what you need", rel, imp, owner, owner)
			}
		}
		return nil
	}))
	require.Greater(t, checked, 5)
}

// TestFilesAreSmall keeps rooms small enough to read at a sitting.
func TestFilesAreSmall(t *testing.T) {
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(string(b), "\n"), 500, "%s: split it where it does two things", path)
		return nil
	}))
}

// TestTheExampleIsSmall keeps the agent hub an example that is read in one go.
func TestTheExampleIsSmall(t *testing.T) {
	files, err := filepath.Glob("agenthub/*.go")
	require.NoError(t, err)
	lines := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		lines += strings.Count(string(b), "\n")
	}
	require.Greater(t, lines, 100)
	require.Less(t, lines, 400)
}
