package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/cli is what the commands say about themselves.
func TestDocsAreUpToDate(t *testing.T) {
	made, kept := readPages(t, makeDocs(t)), readPages(t, "../../docs/cli")
	for name, text := range made {
		require.Equal(t, kept[name], text, "docs/cli/%s is not up to date; run task docs", name)
	}
	for name := range kept {
		require.Contains(t, made, name, "docs/cli/%s is about no command; remove it", name)
	}
	require.Contains(t, made, "brock_config_check.md")
	require.NotContains(t, made, "brock_docs.md")
}

func TestManPages(t *testing.T) {
	pages := readPages(t, makeDocs(t, "--man"))
	require.Contains(t, pages["brock-restore.1"], ".SH EXAMPLE")
	require.Contains(t, pages["brock-restore.1"], "<table>")
	require.Contains(t, pages["brock.1"], "<data>/vault")
	require.Contains(t, pages["brock.1"], "brock-backup(1)")
}

func makeDocs(t *testing.T, flags ...string) string {
	dir := filepath.Join(t.TempDir(), "new")
	code, _, errs := brock(t, "", append([]string{"docs", dir}, flags...)...)
	require.Equal(t, exitOK, code, errs)
	return dir
}

func readPages(t *testing.T, dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	pages := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		pages[e.Name()] = string(b)
	}
	return pages
}
