package vault

import (
	"errors"
	"github.com/brockdb/brock/test/extent"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// named asserts that one of the problems is about the file.
func named(t *testing.T, v *Vault, ps []Problem, file string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(ps, func(p Problem) bool { return p.File == v.relative(file) && p.Problem != "" }), "%s in %v", file, ps)
}

// refuses asserts that the snapshot cannot be restored and that the error is damage.
func refuses(t *testing.T, v *Vault, table, name string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	_, err := v.BuildStore(t.Context(), table, name, dir, nil)
	var d *storage.DamageError
	require.ErrorAs(t, err, &d)
	require.NoDirExists(t, dir)
}

// flip makes the file good but for one bit, in place: only the last flip's byte and
// this one's are written.
func flip(t *testing.T, file string, good []byte, bit int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	at := bit / 8
	from := max(0, at-2)
	bad := slices.Clone(good[from : at+1])
	bad[at-from] ^= 1 << (bit % 8)
	_, err = f.WriteAt(bad, int64(from))
	require.NoError(t, errors.Join(err, f.Close()))
}

func damageVault(t *testing.T) (*Vault, Snapshot) {
	v := newTestVault(t)
	v.build = fakeBuild
	backup(t, v, 0, records(40), "t", "u")
	s := backup(t, v, 1, records(4), "t", "u")[0]
	return v, s
}

func TestEveryBitOfASnapshot(t *testing.T) {
	v, s := damageVault(t)
	for _, name := range []string{"000001.frames", manifestName} {
		file := filepath.Join(s.Path, name)
		good := read(t, file)
		for bit := 0; bit < 8*len(good); bit += extent.Few(7, 1) {
			flip(t, file, good, bit)
			rep, err := v.Verify(t.Context(), "t")
			require.NoError(t, err)
			require.Len(t, rep.Problems, 1, "bit %d of %s", bit, name)
			named(t, v, rep.Problems, file)
			_, err = v.BuildStore(t.Context(), "t", s.Name, filepath.Join(v.dir, "never"), nil)
			require.ErrorIs(t, err, storage.ErrDamaged, "bit %d of %s", bit, name)
		}
		overwrite(t, file, good)
	}
	clean(t, v)
}

func TestEveryByteOfTheRecords(t *testing.T) {
	v, s := damageVault(t)
	_, err := v.Drill(t.Context(), "t", s.Name, t.TempDir())
	require.NoError(t, err)
	backup(t, v, 2, records(2), "t")
	removed, err := v.Retain(t.Context(), "t", 2, 0)
	require.NoError(t, err)
	require.Equal(t, []string{nameAt(0)}, removed)
	proofs, _ := filepath.Glob(v.path(proofsName, "t", "*"))
	for _, file := range []string{v.path(markerName), v.path(runsName, nameAt(1)+".json"), v.removalFile("t", nameAt(0)), proofs[0]} {
		good := read(t, file)
		for bit := 0; bit < 8*len(good); bit += extent.Few(63, 9) { // every byte, all bits in turn
			flip(t, file, good, bit)
			named(t, v, problems(t, v), file)
		}
		overwrite(t, file, good)
	}
	clean(t, v)
}

func TestDamagedFiles(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, file string, good []byte){
		"gone":      func(t *testing.T, file string, _ []byte) { require.NoError(t, os.Remove(file)) },
		"empty":     func(t *testing.T, file string, _ []byte) { overwrite(t, file, nil) },
		"cut":       func(t *testing.T, file string, good []byte) { overwrite(t, file, good[:len(good)-1]) },
		"cut much":  func(t *testing.T, file string, good []byte) { overwrite(t, file, good[:len(good)/2]) },
		"longer":    func(t *testing.T, file string, good []byte) { overwrite(t, file, append(good, 0)) },
		"twice":     func(t *testing.T, file string, good []byte) { overwrite(t, file, append(good, good...)) },
		"zeroes":    func(t *testing.T, file string, good []byte) { overwrite(t, file, make([]byte, len(good))) },
		"directory": func(t *testing.T, file string, _ []byte) { _ = os.Remove(file); _ = os.Mkdir(file, 0o700) },
	} {
		for _, base := range []string{"000001.frames", manifestName} {
			t.Run(name+" "+base, func(t *testing.T) {
				v, s := damageVault(t)
				file := filepath.Join(s.Path, base)
				harm(t, file, read(t, file))
				named(t, v, problems(t, v), file)
				refuses(t, v, "t", s.Name)
				if name == "zeroes" && base != manifestName {
					return // only reading the file tells; lists look at sizes
				}
				// It hides no other, and neither counts nor goes.
				l, err := v.List("t")
				require.NoError(t, err)
				require.Len(t, l.Snapshots, 1)
				named(t, v, l.Problems, file)
				_, err = v.Resolve("t", s.Name)
				require.ErrorIs(t, err, storage.ErrDamaged)
				latest, err := v.Resolve("t", Latest)
				require.NoError(t, err)
				require.Equal(t, nameAt(0), latest.Name)
				removed, err := v.Retain(t.Context(), "t", 1, 0)
				require.NoError(t, err)
				require.Empty(t, removed)
				require.DirExists(t, s.Path)
				top, err := v.MaxVersion()
				require.NoError(t, err)
				require.GreaterOrEqual(t, top, cutAt(1))
				require.Equal(t, cutAt(1).Time(), top.Time())
			})
		}
	}
}

func swap(t *testing.T, a, b string) {
	t.Helper()
	require.NoError(t, os.Rename(a, a+"~"))
	require.NoError(t, os.Rename(b, a))
	require.NoError(t, os.Rename(a+"~", b))
}

func TestSwapped(t *testing.T) {
	v, s := damageVault(t)
	at := func(table string, minute int, file string) string {
		return v.path(tablesName, table, snapsName, nameAt(minute), file)
	}
	frames := "000001.frames"
	for name, pair := range map[string][2]string{
		"frames of two runs":      {at("t", 0, frames), at("t", 1, frames)},
		"frames of two tables":    {at("t", 1, frames), at("u", 1, frames)},
		"manifests of two runs":   {at("t", 0, manifestName), at("t", 1, manifestName)},
		"manifests of two tables": {at("t", 1, manifestName), at("u", 1, manifestName)},
		"run records":             {v.path(runsName, nameAt(0)+".json"), v.path(runsName, nameAt(1)+".json")},
	} {
		t.Run(name, func(t *testing.T) {
			swap(t, pair[0], pair[1])
			ps := problems(t, v)
			named(t, v, ps, pair[0])
			named(t, v, ps, pair[1])
			swap(t, pair[0], pair[1])
			clean(t, v)
		})
	}
	swap(t, at("t", 0, ""), s.Path+"/")
	require.Len(t, problems(t, v), 2)
	refuses(t, v, "t", s.Name)
}

func TestPartsSwapped(t *testing.T) {
	v := newTestVault(t)
	v.partSize, v.build = 1000, fakeBuild
	es := slices.Concat(records(20_000), []storage.Entry{entry("zzz", "1", 1, epoch)})
	s := backup(t, v, 0, es, "t")[0]
	one, two := filepath.Join(s.Path, partName(1)), filepath.Join(s.Path, partName(2))
	require.FileExists(t, two)
	swap(t, one, two)
	ps := problems(t, v)
	named(t, v, ps, one)
	named(t, v, ps, two)
	refuses(t, v, "t", s.Name)
}

// A frame that moved within or between files fails although it is whole itself.
func TestFramesMoved(t *testing.T) {
	v := newTestVault(t)
	v.build = fakeBuild
	backup(t, v, 0, records(1), "t")
	s := backup(t, v, 1, records(1), "t")[0]
	a, b := v.path(tablesName, "t", snapsName, nameAt(0), partName(1)), filepath.Join(s.Path, partName(1))
	mixed := slices.Clone(read(t, a))
	headLen := len(framesHeader{framesMagic, "t", cutAt(1), 1}.encode())
	require.Len(t, read(t, b), len(mixed))
	copy(mixed[:headLen], read(t, b)) // the other file's header over these frames
	overwrite(t, b, mixed)
	ps := problems(t, v)
	named(t, v, ps, b)
	require.Equal(t, int64(headLen), ps[0].Offset)
	require.Contains(t, ps[0].Problem, "checksum")
}

func TestMissingAndUnrecorded(t *testing.T) {
	v, s := damageVault(t)
	// A crash between snapshot and run record leaves a complete snapshot.
	require.NoError(t, os.Remove(v.path(runsName, nameAt(1)+".json")))
	clean(t, v)
	require.Contains(t, listed(t, v), "t/"+s.Name)
	// A recorded one that vanishes is a loss.
	require.NoError(t, os.RemoveAll(v.snapDir("u", nameAt(0))))
	ps := problems(t, v)
	require.Len(t, ps, 1)
	require.Equal(t, "u", ps[0].Table)
	require.Equal(t, nameAt(0), ps[0].Snapshot)
	rep, err := v.Verify(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, StatusOK, rep.Status)
	require.NoError(t, os.RemoveAll(v.path(tablesName, "u")))
	rep, err = v.Verify(t.Context(), "u")
	require.NoError(t, err)
	require.Len(t, rep.Problems, 1)
	_, err = v.Verify(t.Context(), "nope")
	require.ErrorIs(t, err, ErrNoSnapshot)
}

func TestManifestReplaced(t *testing.T) {
	v, s := damageVault(t)
	m, err := v.Manifest("t", s.Name)
	require.NoError(t, err)
	m.Hub = "other"
	data, _, err := seal(m)
	require.NoError(t, err)
	overwrite(t, filepath.Join(s.Path, manifestName), data)
	named(t, v, problems(t, v), filepath.Join(s.Path, manifestName))
	m.Vault = "other"
	data, _, err = seal(m)
	require.NoError(t, err)
	overwrite(t, filepath.Join(s.Path, manifestName), data)
	refuses(t, v, "t", s.Name)
}

func TestStrangers(t *testing.T) {
	v, s := damageVault(t)
	for _, name := range []string{
		"x", "runs/notes.txt", "tables/x.txt", "tables/Bad Name/", "tables/t/x", "tables/t/snapshots/old/", "tables/t/pool/x.sst",
		"tables/t/snapshots/" + s.Name + "/000002.frames", "proofs/t/x", "removals/t/x.json",
	} {
		file := v.path(filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		if name[len(name)-1] == '/' {
			require.NoError(t, os.Mkdir(file, 0o700))
		} else {
			overwrite(t, file, []byte("x"))
		}
		named(t, v, problems(t, v), file)
		require.NoError(t, os.Remove(file))
		clean(t, v)
	}
	// Temporary names are work in progress.
	overwrite(t, v.path(".tmp-x"), nil)
	require.NoError(t, os.Mkdir(v.path("tables/t/snapshots/.tmp-x"), 0o700))
	clean(t, v)
}

func TestNewerFormats(t *testing.T) {
	v, s := damageVault(t)
	m, err := v.Manifest("t", s.Name)
	require.NoError(t, err)
	m.Format++
	data, _, err := seal(m)
	require.NoError(t, err)
	overwrite(t, filepath.Join(s.Path, manifestName), data)
	_, err = v.Manifest("t", s.Name)
	var f *FormatError
	require.True(t, errors.As(err, &f))
	require.Equal(t, 2, f.Format)
	frames := v.path(tablesName, "t", snapsName, nameAt(0), partName(1))
	bad := read(t, frames)
	bad[len(framesMagic)+1]++
	overwrite(t, frames, bad)
	_, err = v.BuildStore(t.Context(), "t", nameAt(0), filepath.Join(t.TempDir(), "s"), nil)
	require.ErrorIs(t, err, ErrNewer)
	require.ErrorIs(t, err, storage.ErrDamaged)
}
