package changelog

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// slowlyListed lists a folder as systems do: not in one step. Of what changes meanwhile
// it shows neither what was there nor what is there now.
type slowlyListed struct {
	disk.FS
	meanwhile func() // once
}

func (s *slowlyListed) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := s.FS.ReadDir(name)
	if f := s.meanwhile; f != nil && err == nil {
		s.meanwhile = nil
		f()
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			_, err := s.FS.Stat(name + "/" + e.Name())
			return err != nil
		})
	}
	return entries, err
}

// A merge while the folder is listed is no damage. test/crash met one: verify said that
// the newest segments were missing.
func TestAFolderThatIsListedDuringAMerge(t *testing.T) {
	l := newLog(t)
	small(t, l, 4)
	folder := &slowlyListed{FS: disk.OS}
	reader, err := Open(folder, l.dir, vaultID, "", Options{ReadOnly: true})
	require.NoError(t, err)
	folder.meanwhile = func() { require.Equal(t, 1, mergeAll(t, l, MergeOptions{Fanout: 4})) }
	checked, _, problems := reader.Verify(t.Context(), 0)
	require.Empty(t, problems)
	require.Equal(t, 1, checked)
}
