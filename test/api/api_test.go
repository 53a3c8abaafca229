// Package api keeps the exported API of Brock's packages in files, so that a change
// of it is seen in review and is never made by accident. After a change on purpose:
//
//	go test ./test/api -update
package api

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

const module = "github.com/brockdb/brock"

// packages are those whose API is kept: add a line, and run with -update.
var packages = []string{
	"app",
	"bus",
	"actors",
}

func TestTheExportedAPIChangesOnPurpose(t *testing.T) {
	files := map[string]bool{}
	for _, name := range packages {
		file := filepath.Join("testdata", strings.ReplaceAll(name, "/", "_")+".txt")
		files[file] = true
		t.Run(name, func(t *testing.T) {
			got, err := render(filepath.Join("..", ".."), module, name)
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err, "run go test ./test/api -update")
			require.Equal(t, string(want), got,
				"the API of %s changed. If that is on purpose: go test ./test/api -update, and say so in CHANGELOG.md", path.Join(module, name))
		})
	}
	kept, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	require.NoError(t, err)
	for _, file := range kept {
		require.True(t, files[file], "%s belongs to no package of the list", file)
	}
}

// What a made-up package exports shows what the golden files say and what not.
func TestRender(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("low/low.go", `package low

// Shape is seen through an alias.
type Shape struct {
	Width int `+"`json:\"width\"`"+` // in millimetres
	secret string
}

func (s *Shape) Area() int { return s.Width }

type Unseen int
`)
	write("top/b.go", `package top

import "fmt"

func B() { fmt.Println() }

func (t T[A]) M(a A) (A, error) { return a, nil }

func (hidden) Exported() {}
`)
	write("top/a.go", `package top

import "example.com/low"

type (
	Shape = low.Shape
	T[A any] struct {
		low.Shape
		Value A
		own   int
	}
	hidden int
)

const (
	One, two = 1, 2
	Text string = "text"
)

var Err = error(nil)

type Any interface {
	Do(n int) error
	sealed()
}
`)
	write("top/a_test.go", "package top\n\nfunc OnlyInTests() {}\n")
	write("top/a_windows.go", "package top\n\nfunc Elsewhere() {}\n")
	got, err := render(dir, "example.com", "top")
	require.NoError(t, err)
	want, err := os.ReadFile(filepath.Join("testdata", "render.golden"))
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	again, err := render(dir, "example.com", "top")
	require.NoError(t, err)
	require.Equal(t, got, again)
}
