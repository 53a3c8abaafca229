package changelog

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

func overwrite(t testing.TB, file string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

// problems asserts that verify finds something about the file, and nothing about others.
func problems(t testing.TB, l *Log, file string, msg ...any) []Problem {
	t.Helper()
	_, _, ps := l.Verify(t.Context(), 0)
	require.NotEmpty(t, ps, msg...)
	for _, p := range ps {
		require.Equal(t, file, p.File, msg...)
		require.NotEmpty(t, p.Problem)
	}
	return ps
}

func TestEveryBitOfASegment(t *testing.T) {
	for _, codec := range []Codec{Stored, S2, Zstd} {
		l := newLog(t)
		l.codec = codec
		all, _ := small(t, l, 1)
		name := l.Segments()[0].Name
		good := read(t, l.path(name))
		for bit := 0; bit < 8*len(good); bit += bitStep(codec) {
			bad := slices.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			overwrite(t, l.path(name), bad)
			problems(t, l, name, "bit %d", bit)
			got, err := replayed(t, l, "a", storage.Ledger{}, 0, 10)
			if err == nil { // a's commit is before what is damaged, or the damage in what it skips
				equal(t, of(all, "a", 0, 10), got, "bit %d", bit)
				continue
			}
			require.ErrorIs(t, err, storage.ErrDamaged, "bit %d", bit)
		}
		overwrite(t, l.path(name), good)
		clean(t, l)
	}
}

// bitStep goes through every bit of one file, and of others through every byte.
func bitStep(c Codec) int {
	if c == S2 && !testing.Short() {
		return 1
	}
	return 9
}

func TestDamagedFolder(t *testing.T) {
	const n = 5
	for name, harm := range map[string]struct {
		do   func(t *testing.T, l *Log, segs []Segment)
		file int  // that has the problem
		gap  bool // of table a
	}{
		"middle missing": {func(t *testing.T, l *Log, s []Segment) { require.NoError(t, os.Remove(l.path(s[2].Name))) }, 2, true},
		"empty":          {func(t *testing.T, l *Log, s []Segment) { overwrite(t, l.path(s[2].Name), nil) }, 2, true},
		"head cut": {func(t *testing.T, l *Log, s []Segment) {
			overwrite(t, l.path(s[2].Name), read(t, l.path(s[2].Name))[:200])
		}, 2, true},
		"end cut": {func(t *testing.T, l *Log, s []Segment) {
			overwrite(t, l.path(s[2].Name), read(t, l.path(s[2].Name))[:s[2].Bytes-1])
		}, 2, false},
		"longer": {func(t *testing.T, l *Log, s []Segment) {
			overwrite(t, l.path(s[2].Name), append(read(t, l.path(s[2].Name)), 0))
		}, 2, false},
		"zeroes": {func(t *testing.T, l *Log, s []Segment) { overwrite(t, l.path(s[2].Name), make([]byte, s[2].Bytes)) }, 2, true},
		"in the place of another": {func(t *testing.T, l *Log, s []Segment) {
			overwrite(t, l.path(s[2].Name), read(t, l.path(s[1].Name)))
		}, 2, true},
		"folder": {func(t *testing.T, l *Log, s []Segment) {
			require.NoError(t, os.Remove(l.path(s[2].Name)))
			require.NoError(t, os.Mkdir(l.path(s[2].Name), 0o700))
		}, 2, true},
		"of another vault": {func(t *testing.T, l *Log, s []Segment) {
			o, err := Open(disk.OS, filepath.Join(t.TempDir(), "log"), "vault-2", hubID, Options{})
			require.NoError(t, err)
			small(t, o, n)
			overwrite(t, l.path(s[2].Name), read(t, o.path(s[2].Name)))
		}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			all, _ := small(t, l, n)
			segs := l.Segments()
			harm.do(t, l, segs)
			_, _, found := l.Verify(t.Context(), 0)
			require.True(t, slices.ContainsFunc(found, func(p Problem) bool { return p.File == segs[harm.file].Name }), "%v", found)
			again := openLog(t, disk.OS, l.dir)
			require.Equal(t, storage.Version(10*n), again.Through())
			got, err := replayed(t, again, "a", storage.Ledger{}, 0, 10*n)
			require.ErrorIs(t, err, storage.ErrDamaged)
			if harm.gap {
				require.ErrorIs(t, err, storage.ErrGap)
				require.NotEmpty(t, again.Problems())
				require.Empty(t, got)
				require.Equal(t, []Range{{0, 20}, {33 - 10, 50}}, again.Ranges("a"))
			}
			// It hides nothing else.
			got, err = replayed(t, again, "a", storage.Ledger{}, 0, 20)
			require.NoError(t, err)
			equal(t, of(all, "a", 0, 20), got)
			got, err = replayed(t, again, "a", at(all, "a", 30), 30, 50)
			require.NoError(t, err)
			equal(t, of(all, "a", 30, 50), got)
		})
	}
}

func TestNewestSegmentDamaged(t *testing.T) {
	l := newLog(t)
	small(t, l, 3)
	name := l.Segments()[2].Name
	overwrite(t, l.path(name), nil)
	problems(t, l, name)
	again := openLog(t, disk.OS, l.dir)
	require.Equal(t, storage.Version(20), again.Through(), "what it held is to be shipped again, if the hub still has it")
	require.NoError(t, os.Remove(l.path(name)))
	ps := problems(t, l, "0000000000000020-0000000000000030.log")
	require.Contains(t, ps[0].Problem, "newest segments are missing")
}

// A doubled segment, or one under a name of its own, is a stranger.
func TestStrangers(t *testing.T) {
	l := newLog(t)
	small(t, l, 2)
	for _, name := range []string{"0000000000000000-0000000000000010.log.bak", "copy of 0000000000000000-0000000000000010.log", "10-20.log",
		"0000000000000020-0000000000000010.log", "0000000000000020-0000000000000025.log"} {
		overwrite(t, l.path(name), read(t, l.path(l.Segments()[0].Name)))
		problems(t, l, name)
		require.Equal(t, l.Segments(), openLog(t, disk.OS, l.dir).Segments())
		require.NoError(t, os.Remove(l.path(name)))
	}
	clean(t, l)
}

func TestOverlap(t *testing.T) {
	for _, to := range []storage.Version{15, 25} { // of a segment that reads well and is none of this log's
		l := newLog(t)
		small(t, l, 2)
		o := newLog(t)
		name := ship(5, to, nil).head
		o.chain = []Segment{{Head: Head{To: 5}}}
		seg, err := o.Append(t.Context(), name, nil)
		require.NoError(t, err)
		overwrite(t, l.path(seg.Name), read(t, o.path(seg.Name)))
		again := openLog(t, disk.OS, l.dir)
		require.Contains(t, again.Problems()[0].Problem, "overlaps")
	}
	l := newLog(t)
	all, _ := small(t, l, 2)
	o := newLog(t)
	seg := ship(0, 20, map[string]storage.Ledger{"a": {}}).append(t, o)
	overwrite(t, l.path(seg.Name), read(t, o.path(seg.Name)))
	again := openLog(t, disk.OS, l.dir)
	require.Contains(t, again.Problems()[0].Problem, "has not all its commits")
	require.Equal(t, l.Segments(), again.Segments())
	got, err := replayed(t, again, "a", storage.Ledger{}, 0, 20)
	require.NoError(t, err)
	equal(t, of(all, "a", 0, 20), got)
}

func TestNewerFormat(t *testing.T) {
	l := newLog(t)
	small(t, l, 2)
	file := l.path(l.Segments()[1].Name)
	overwrite(t, file, newer(read(t, file)))
	_, err := Open(disk.OS, l.dir, vaultID, hubID, Options{})
	require.ErrorIs(t, err, ErrNewer)
	again, err := Open(disk.OS, l.dir, vaultID, hubID, Options{ReadOnly: true})
	require.NoError(t, err)
	require.Contains(t, again.Problems()[0].Problem, "use the newer brock")
}
