package vault

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

func TestDrillProves(t *testing.T) {
	v := newTestVault(t)
	scratch := t.TempDir()
	backup(t, v, 0, records(500), "t", "u")
	backup(t, v, 1, records(600), "t")
	rep, results, err := v.DrillTables(t.Context(), scratch)
	require.NoError(t, err)
	require.Equal(t, StatusOK, rep.Status)
	require.Equal(t, 2, rep.Checked)
	require.Positive(t, rep.Bytes)
	require.Equal(t, []string{nameAt(1), nameAt(0)}, []string{results[0].Snapshot, results[1].Snapshot})
	require.Equal(t, cutAt(1), results[0].Cut)
	require.NotNil(t, results[0].ProvenAt)
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left)
	s, err := v.Resolve("t", Latest)
	require.NoError(t, err)
	require.Equal(t, results[0].ProvenAt, s.ProvenAt)
	s, err = v.Resolve("t", nameAt(0))
	require.NoError(t, err)
	require.Nil(t, s.ProvenAt)
	clean(t, v)

	rep, results, err = v.DrillTables(t.Context(), scratch, "nothing")
	require.NoError(t, err)
	require.Equal(t, StatusFailed, rep.Status)
	require.Empty(t, results)
	_, err = v.Drill(t.Context(), "t", nameAt(7), scratch)
	require.ErrorIs(t, err, ErrNoSnapshot)
}

func TestDrillFindsDamage(t *testing.T) {
	v, s := damageVault(t)
	file := filepath.Join(s.Path, partName(1))
	good := read(t, file)
	flip(t, file, good, 8*len(good)/2)
	rep, results, err := v.DrillTables(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, StatusFailed, rep.Status)
	require.Len(t, rep.Problems, 1)
	named(t, v, rep.Problems, file)
	require.ErrorIs(t, results[0].Err, storage.ErrDamaged)
	require.Nil(t, results[0].ProvenAt)
	require.NoError(t, results[1].Err)
	s, err = v.Resolve("t", s.Name)
	require.NoError(t, err)
	require.Nil(t, s.ProvenAt)
}

// A proof is of one manifest: it says nothing about another under the same name.
func TestProofCountsForItsManifestOnly(t *testing.T) {
	v, s := damageVault(t)
	_, err := v.Drill(t.Context(), "t", s.Name, t.TempDir())
	require.NoError(t, err)
	m, err := v.Manifest("t", s.Name)
	require.NoError(t, err)
	m.Hub = "other"
	data, _, err := seal(m)
	require.NoError(t, err)
	overwrite(t, filepath.Join(s.Path, manifestName), data)
	s, err = v.Resolve("t", s.Name)
	require.NoError(t, err)
	require.Nil(t, s.ProvenAt)
}

func TestDrillRemovesScratchAndHolds(t *testing.T) {
	v, s := damageVault(t)
	scratch := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	v.build = func(ctx context.Context, dir, _ string, entries iter.Seq2[storage.Entry, error], _ storage.Ledger) error {
		require.NoError(t, os.Mkdir(dir, 0o700))
		backup(t, v, 2, nil, "t")
		removed, err := v.Retain(t.Context(), "t", 1, 0) // the drilled one is in use
		require.NoError(t, err)
		require.Equal(t, []string{nameAt(0)}, removed)
		cancel()
		for _, err := range entries {
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	_, results, err := v.DrillTables(ctx, scratch)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, results, 1)
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left)
	require.DirExists(t, s.Path)
	require.Empty(t, v.held)
}

func TestVerifyStopsWithTheContext(t *testing.T) {
	v, _ := damageVault(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rep, err := v.Verify(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, rep.Problems)
}
