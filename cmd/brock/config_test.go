package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sample that is kept is the one that is printed.
func TestSampleConfigIsKept(t *testing.T) {
	kept, err := os.ReadFile("../../contrib/brock.yaml")
	require.NoError(t, err)
	require.Equal(t, string(kept), sampleConfig(), "brock config sample > contrib/brock.yaml")
}

// It is accepted as it is, and with every line uncommented; its values are the
// defaults, where there are any.
func TestSampleConfigIsRight(t *testing.T) {
	for _, text := range []string{sampleConfig(), regexp.MustCompile(`(?m)^#(\w+: )`).ReplaceAllString(sampleConfig(), "$1")} {
		file := filepath.Join(t.TempDir(), "brock.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, out, errs := brock(t, "", "config", "check", file)
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, "SETTING")
	}
	c := &cli{}
	cmd := newServe(c)
	for _, s := range settings {
		f := cmd.Flags().Lookup(s.flag())
		if f == nil || f.DefValue == "" || slices.Contains(listSettings, s.key) {
			continue
		}
		path := filepath.Join(t.TempDir(), "one.yaml")
		require.NoError(t, os.WriteFile(path, []byte(s.key+": "+s.sample), 0o600))
		file, err := readConfig(path)
		require.NoError(t, err)
		require.Equal(t, f.DefValue, file[s.key].value, s.key)
	}
}
