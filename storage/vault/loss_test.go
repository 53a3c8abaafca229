package vault

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// A vault without its brock.json can be read, whatever it has.
func TestMarkerMissing(t *testing.T) {
	v, _ := damageVault(t)
	require.NoError(t, os.MkdirAll(v.path(logName), 0o700))
	require.NoError(t, os.Remove(v.path(markerName)))
	ro, err := OpenReadOnly(disk.OS, v.dir)
	require.NoError(t, err)
	named(t, v, problems(t, ro), v.path(markerName))
	_, err = Open(disk.OS, v.dir, me, Options{})
	require.ErrorIs(t, err, storage.ErrDamaged)
}

// A sealed document in the place of one of another kind is found, though it is whole and
// has the same names in it.
func TestDocumentsOfOtherKinds(t *testing.T) {
	v, s := damageVault(t)
	_, err := v.Drill(t.Context(), "t", s.Name, t.TempDir())
	require.NoError(t, err)
	manifest, run := filepath.Join(s.Path, manifestName), v.path(runsName, nameAt(1)+".json")
	proofs, _ := filepath.Glob(v.path(proofsName, "t", "*"))
	removal := v.removalFile("t", s.Name)
	require.NoError(t, os.MkdirAll(filepath.Dir(removal), 0o700))
	places := []string{v.path(markerName), manifest, run, proofs[0], removal}
	docs := map[string][]byte{}
	for _, file := range places[:4] {
		docs[file] = read(t, file)
	}
	for _, to := range places {
		for from, doc := range docs {
			if from == to {
				continue
			}
			overwrite(t, to, doc)
			named(t, v, problems(t, v), to)
		}
		if good, ok := docs[to]; ok {
			overwrite(t, to, good)
		} else {
			require.NoError(t, os.Remove(to))
		}
	}
	clean(t, v)
}

// The record of a run is missed by the next one.
func TestRunRecordMissing(t *testing.T) {
	v, _ := damageVault(t)
	backup(t, v, 2, records(2), "t")
	for minute, missed := range []bool{true, true, false} { // the newest may not have been written
		file := v.path(runsName, nameAt(minute)+".json")
		good := read(t, file)
		require.NoError(t, os.Remove(file))
		if missed {
			ps := problems(t, v)
			require.Len(t, ps, 1)
			named(t, v, ps, file)
		} else {
			clean(t, v)
		}
		overwrite(t, file, good)
	}
}

func TestProofDoubled(t *testing.T) {
	v, s := damageVault(t)
	v.now = func() time.Time { return epoch } // two drills of one millisecond are two
	for range 2 {
		_, err := v.Drill(t.Context(), "t", s.Name, t.TempDir())
		require.NoError(t, err)
	}
	clean(t, v)
	proofs, _ := filepath.Glob(v.path(proofsName, "t", "*"))
	dup := v.path(proofsName, "t", s.Name+"_zzzzzzzzzzzz.json")
	overwrite(t, dup, read(t, proofs[1]))
	named(t, v, problems(t, v), dup)

	// Of the first proofs, which have no id, a copy is known by the rest.
	p, err := v.readProof("t", strings.TrimSuffix(filepath.Base(proofs[1]), ".json"))
	require.NoError(t, err)
	p.ID = ""
	data, _, err := seal(p)
	require.NoError(t, err)
	overwrite(t, proofs[1], data)
	overwrite(t, dup, data)
	ps := problems(t, v)
	named(t, v, ps, dup)
	named(t, v, ps, proofs[1])
	require.NoError(t, os.Remove(dup))
	clean(t, v)
}

// A pool file that no snapshot has is read, too: the next one may take it.
func TestStrayOfThePool(t *testing.T) {
	v, _ := damageVault(t)
	file := v.path(tablesName, "t", poolName, poolFile(hashOf([]byte("x")), KindTable))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	overwrite(t, file, []byte("x"))
	clean(t, v)
	overwrite(t, file, []byte("y"))
	named(t, v, problems(t, v), file)
}

// Run records say how far the change log went.
func TestNewestSegmentsMissing(t *testing.T) {
	v, _ := damageVault(t)
	seg, err := v.changes.Append(t.Context(), changelog.Head{To: cutAt(2)}, nil)
	require.NoError(t, err)
	backup(t, v, 3, records(2), "t")
	clean(t, v)
	require.NoError(t, os.Remove(v.path(logName, seg.Name)))
	ro, err := OpenReadOnly(disk.OS, v.dir)
	require.NoError(t, err)
	named(t, v, problems(t, ro), v.path(logName, seg.Name))
}

// Where the manifest cannot be read, the files beside it are read for themselves.
func TestFilesWithoutAManifest(t *testing.T) {
	v, s := damageVault(t)
	manifest, frames := filepath.Join(s.Path, manifestName), filepath.Join(s.Path, partName(1))
	swap(t, manifest, frames)
	ps := problems(t, v)
	named(t, v, ps, manifest)
	named(t, v, ps, frames)
	swap(t, manifest, frames)
	overwrite(t, manifest, nil)
	require.Len(t, problems(t, v), 1)
}
