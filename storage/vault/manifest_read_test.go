package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// A large manifest is parsed once, and still read whole and checked each time.
func TestLargeManifests(t *testing.T) {
	v := newTestVault(t)
	m := v.newManifest(SnapshotSpec{Table: "tasks", Run: runAt(0), Cut: cutAt(0)})
	for i := range 2 * parsedMin {
		sum := hashOf(fmt.Append(nil, i))
		m.Files = append(m.Files, FileInfo{Name: poolFile(sum, KindTable), Kind: KindTable, Size: int64(i), SHA256: sum})
	}
	m.Files = append(m.Files, FileInfo{Name: tailName, Kind: KindTail, SHA256: hashOf(nil)})
	file := filepath.Join(v.snapDir("tasks", m.Snapshot), manifestName)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	write := func() (sum string) {
		data, sum, err := seal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		return sum
	}
	sum := write()
	for range 3 {
		got, have, err := v.readManifest("tasks", m.Snapshot)
		require.NoError(t, err)
		require.Equal(t, sum, have)
		require.Equal(t, m.Files, got.Files)
	}
	require.Len(t, v.parsed.docs, 1)

	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o600))
	_, _, err = v.readManifest("tasks", m.Snapshot)
	require.ErrorIs(t, err, storage.ErrDamaged, "it rots after it was parsed")

	m.Files = m.Files[1:]
	require.NotEqual(t, sum, write())
	got, _, err := v.readManifest("tasks", m.Snapshot)
	require.NoError(t, err)
	require.Equal(t, m.Files, got.Files, "it is another one now")

	require.NoError(t, os.Remove(file))
	_, _, err = v.readManifest("tasks", m.Snapshot)
	require.ErrorIs(t, err, os.ErrNotExist)

	for i := range 2 * parsedMax / len(m.Files) {
		v.parsed.put(fmt.Sprint(i), sum, m)
		require.LessOrEqual(t, v.parsed.files, parsedMax)
		require.LessOrEqual(t, len(v.parsed.docs)*len(m.Files), parsedMax+len(m.Files))
	}
}
