package storage

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// filled is a closed store with one table of Badger's.
func filledStore(t *testing.T, value string) *testStore {
	s := newStore(t)
	for i := range 20 {
		require.NoError(t, s.commit(Batch{{Key: fmt.Appendf(nil, "key-%02d", i), Value: []byte(value)}}))
	}
	require.NoError(t, s.Close(context.Background()))
	return s
}

func onlyTable(t *testing.T, s *testStore) string {
	files, err := filepath.Glob(filepath.Join(s.Dir(), "*.sst"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// A table of another store, whole in itself, is not taken for this one's.
func TestATableOfAnotherStore(t *testing.T) {
	a, b := filledStore(t, "of a"), filledStore(t, "of b")
	other, err := os.ReadFile(onlyTable(t, b))
	require.NoError(t, err)
	good, err := os.ReadFile(onlyTable(t, a))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(onlyTable(t, a), other, 0o600))
	_, err = Open(a.Dir(), "things", a.options())
	var damage *DamageError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, onlyTable(t, a), damage.File)
	require.ErrorContains(t, err, "another one")
	require.NoError(t, os.WriteFile(onlyTable(t, a), good, 0o600))
	again, err := Open(a.Dir(), "things", a.options())
	require.NoError(t, err)
	require.NoError(t, again.Close(context.Background()))
}

// A list that is missing, torn or behind makes no table damaged, and is made up for; an
// id that the MANIFEST has not got may be used again.
func TestTheListOfFilesKnowsLess(t *testing.T) {
	s := filledStore(t, "v")
	file := filepath.Join(s.Dir(), fileListName)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	ids := slices.Collect(maps.Keys(readFileList(s.Dir())))
	require.Len(t, ids, 1)
	more := readFileList(s.Dir())
	more[99] = fileMark{1, 2}
	for what, content := range map[string][]byte{"none": nil, "torn": good[:len(good)-3], "flipped": append([]byte{1}, good[1:]...), "more": more.encode(), "empty": fileList{}.encode()} {
		if require.NoError(t, os.Remove(file)); content != nil {
			require.NoError(t, os.WriteFile(file, content, 0o600))
		}
		again, err := Open(s.Dir(), "things", s.options())
		require.NoError(t, err, what)
		now, err := os.ReadFile(file)
		require.NoError(t, err, what)
		require.Equal(t, good, now, what)
		require.NoError(t, again.Close(context.Background()))
	}
}
