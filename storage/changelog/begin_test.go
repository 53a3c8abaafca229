package changelog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// trimmed is a log of which the first two of five segments were removed.
func trimmed(t *testing.T) *Log {
	l := newLog(t)
	small(t, l, 5)
	removed, err := l.Remove(t.Context(), 20)
	require.NoError(t, err)
	require.Len(t, removed, 2)
	clean(t, l)
	clean(t, openLog(t, disk.OS, l.dir))
	return l
}

// The oldest segments that are missing are told from those that were removed.
func TestOldestSegmentMissing(t *testing.T) {
	l := newLog(t)
	small(t, l, 2)
	require.NoError(t, os.Remove(l.path(l.Segments()[0].Name)))
	problems(t, openLog(t, disk.OS, l.dir), "0000000000000000-0000000000000010.log")

	l = trimmed(t)
	require.NoError(t, os.Remove(l.path("0000000000000020-0000000000000030.log")))
	again := openLog(t, disk.OS, l.dir)
	problems(t, again, "0000000000000020-0000000000000030.log")
	require.NotEmpty(t, again.Problems())
	_, err := again.Remove(t.Context(), 40) // what was lost is over
	require.NoError(t, err)
	require.Empty(t, again.Problems())
	clean(t, again)
}

func TestBeginDamaged(t *testing.T) {
	l := trimmed(t)
	good := read(t, l.path(beginName))
	for bit := range 8 * len(good) {
		bad := append([]byte{}, good...)
		bad[bit/8] ^= 1 << (bit % 8)
		overwrite(t, l.path(beginName), bad)
		problems(t, l, beginName)
	}
	overwrite(t, l.path(beginName), good[:20])
	problems(t, l, beginName)
	again := openLog(t, disk.OS, l.dir)
	_, err := again.Remove(t.Context(), 30)
	require.NoError(t, err)
	require.Empty(t, again.Problems(), "it is written anew")
	clean(t, again)
	require.NoError(t, os.Remove(l.path(beginName)))
	problems(t, openLog(t, disk.OS, l.dir), "0000000000000000-0000000000000030.log")
}

func TestAllSegmentsMissing(t *testing.T) {
	l := trimmed(t)
	for _, s := range l.Segments() {
		require.NoError(t, os.Remove(filepath.Join(l.dir, s.Name)))
	}
	_, _, found := openLog(t, disk.OS, l.dir).Verify(t.Context(), 0)
	require.Len(t, found, 1)
	require.Equal(t, beginName, found[0].File)
}

// That the newest segments are missing tells who knows how far the log went.
func TestNewestSegmentMissing(t *testing.T) {
	l := newLog(t)
	small(t, l, 3)
	require.NoError(t, os.Remove(l.path(l.Segments()[2].Name)))
	again := openLog(t, disk.OS, l.dir)
	clean(t, again)
	_, _, found := again.Verify(t.Context(), 30)
	require.Len(t, found, 1)
	require.Equal(t, "0000000000000020-0000000000000030.log", found[0].File)
}
