package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// A hub whose own files rot, or go, starts all the same, with what was in them.
func TestOwnFilesRot(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Offline())
	h.Put("a", "k", "v")
	creds := h.Hub().Credentials()
	h.Reconfigure(func(c *app.Config) { c.Tables = nil }) // the list says which
	h.Stop()
	for _, name := range []string{"tables.json", "credentials.json", "clock"} {
		file := filepath.Join(h.Dir, "data", name)
		good, err := os.ReadFile(file)
		require.NoError(t, err)
		info, err := os.Stat(file)
		require.NoError(t, err)
		flipped := bytes.Clone(good)
		flipped[len(flipped)/2] ^= 1 // in the middle of a text, maybe
		for what, harm := range map[string]func() error{
			"flipped": func() error { return os.WriteFile(file, flipped, 0o600) },
			"cut":     func() error { return os.WriteFile(file, good[:len(good)/2], 0o600) },
			"zeroed":  func() error { return os.WriteFile(file, make([]byte, len(good)), 0o600) },
			"removed": func() error { return os.Remove(file) },
		} {
			require.NoError(t, harm())
			if what != "removed" {
				require.NoError(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
			}
			h.Start()
			require.Equal(t, []string{"a", "b"}, h.Hub().Tables(), "%s %s", name, what)
			require.Equal(t, creds, h.Hub().Credentials(), "%s %s", name, what)
			require.Equal(t, "v", h.Get("a", "k"))
			h.Put("a", "k", "v")
			h.Stop()
			if now, err := os.ReadFile(file); name != "clock" {
				require.NoError(t, err)
				require.Equal(t, string(good), string(now), "it is written anew: %s %s", name, what)
			}
		}
	}
}

// What a person writes counts, though there is a copy of what was before.
func TestOwnFilesChangedByHand(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Offline())
	h.Reconfigure(func(c *app.Config) { c.Tables = nil })
	h.Stop()
	file := filepath.Join(h.Dir, "data", "tables.json")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b = bytes.Replace(b, []byte("\"a\",\n    \"b\""), []byte(`"b"`), 1)
	require.NoError(t, os.WriteFile(file, b, 0o600))
	later := time.Now().Add(time.Second)
	require.NoError(t, os.Chtimes(file, later, later))
	h.Start()
	require.Equal(t, []string{"b"}, h.Hub().Tables())
	h.Stop()
	require.NoError(t, os.WriteFile(file+".copy", []byte("x"), 0o600)) // a copy that has rotted counts for nothing
	h.Start()
	require.Equal(t, []string{"b"}, h.Hub().Tables())
	h.Stop()
	for _, name := range []string{file, file + ".copy"} {
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	}
	err = h.TryStart()
	require.ErrorIs(t, err, app.ErrDamaged)
	require.ErrorContains(t, err, file)
}
