package vault

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// sick fails the calls of the verb on names with the part.
func sick(verb disktest.Verb, part string) func(disktest.Call) error {
	return func(c disktest.Call) error {
		if c.Verb == verb && strings.Contains(c.Path, part) {
			return syscall.EIO
		}
		return nil
	}
}

// A proof that cannot be read for now is not taken for none: the snapshot that it proves
// stays.
func TestRetentionDoesNotTakeAnUnreadProofForNone(t *testing.T) {
	tap := disktest.NewTap(&disktest.Mem{}, "/vault")
	v := openVault(t, tap, "/vault")
	v.build = fakeBuild
	backup(t, v, 0, records(3), "t")
	_, err := v.Drill(t.Context(), "t", nameAt(0), t.TempDir())
	require.NoError(t, err)
	backup(t, v, 1, records(3), "t")
	for _, verb := range []disktest.Verb{disktest.ReadDir, disktest.Open, disktest.Read} {
		tap.Before(sick(verb, "proofs"))
		removed, err := v.Retain(t.Context(), "t", 1, 0)
		tap.Before(nil)
		require.ErrorIs(t, err, syscall.EIO, "%s", verb)
		require.Empty(t, removed)
	}
	require.Empty(t, retain(t, v, "t", 1))
	require.Equal(t, snapsAt("t", 1, 0), listed(t, v))
}

// Nor is a part of the change log: it may tell of a restore whose source is needed.
func TestRetentionDoesNotTakeAnUnreadLogForOneWithoutRestores(t *testing.T) {
	tap := disktest.NewTap(&disktest.Mem{}, "/vault")
	v := openVault(t, tap, "/vault")
	for _, m := range []int{0, 1, 5, 30} {
		backup(t, v, m, records(m), "t")
	}
	restoring(t, v, changelog.Restore{From: cutAt(0) + 5, At: cutAt(20)}, changelog.Restore{From: 0, At: cutAt(21)})
	v.now = func() time.Time { return cutAt(30).Time() }
	for _, verb := range []disktest.Verb{disktest.Open, disktest.Read} {
		tap.Before(sick(verb, "log/"))
		removed, err := v.Retain(t.Context(), "t", 1, 5*time.Minute)
		tap.Before(nil)
		require.ErrorIs(t, err, syscall.EIO, "%s", verb)
		require.Empty(t, removed)
	}
	_, err := v.Retain(t.Context(), "t", 1, 5*time.Minute)
	require.NoError(t, err)
	require.Equal(t, snapsAt("t", 30, 5, 0), listed(t, v))
}

// What retention removed it tells of, also where the folder's name cannot be asked for
// afterwards.
func TestRetentionTellsOfAllThatItRemoved(t *testing.T) {
	tap := disktest.NewTap(&disktest.Mem{}, "/vault")
	v := openVault(t, tap, "/vault")
	for i := range 3 {
		backup(t, v, i, records(3), "t")
	}
	renamed := map[string]bool{}
	tap.Before(func(c disktest.Call) error {
		if c.Verb == disktest.Rename {
			renamed[c.Path] = true
		}
		if c.Verb == disktest.Stat && renamed[c.Path] {
			return syscall.EACCES
		}
		return nil
	})
	removed, err := v.Retain(t.Context(), "t", 1, 0)
	tap.Before(nil)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{nameAt(0), nameAt(1)}, removed)
	require.Equal(t, snapsAt("t", 2), listed(t, v))
}

// Folders that cannot be listed for now are not taken for missing: nothing is called good
// that was not looked at, and the clock does not start below what the vault has seen.
func TestWhatCannotBeListedIsNotMissing(t *testing.T) {
	tap := disktest.NewTap(&disktest.Mem{}, "/vault")
	v := openVault(t, tap, "/vault")
	backup(t, v, 0, records(3), "t")
	for n := range 3 { // it lists them more than once
		seen := -1
		tap.Before(func(c disktest.Call) error {
			if c.Verb == disktest.ReadDir && c.Path == "tables" {
				if seen++; seen == n {
					return syscall.EIO
				}
			}
			return nil
		})
		rep, err := v.Verify(t.Context())
		require.True(t, seen < n || err != nil || rep.Status == StatusFailed, "listing %d failed, and verify says %+v", n, rep)
	}
	tap.Before(sick(disktest.ReadDir, "tables"))
	_, err := v.Tables()
	require.ErrorIs(t, err, syscall.EIO)
	_, err = v.MaxVersion()
	require.ErrorIs(t, err, syscall.EIO)
	_, err = v.List()
	require.ErrorIs(t, err, syscall.EIO)
}
