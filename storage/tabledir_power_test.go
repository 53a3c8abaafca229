package storage

import (
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// A store that a compaction replaced and a power cut brings back is one that the marker
// still names, so that the next start removes it: no store is left for ever.
func TestNoStoreComesBackUnnamed(t *testing.T) {
	rec, err := disktest.Record(&disktest.Mem{}, disktest.Options{})
	require.NoError(t, err)
	d, err := AdoptTableDir(rec, "/tables/t", "t")
	require.NoError(t, err)
	stage := func() {
		dir := d.Scratch()
		require.NoError(t, rec.MkdirAll(dir))
		require.NoError(t, disk.WriteSynced(rec, filepath.Join(dir, "MANIFEST"), nil))
		_, err := d.Stage(dir)
		require.NoError(t, err)
	}
	stage()
	_, err = d.Swap(WhyRestore)
	require.NoError(t, err)
	stage()
	old, err := d.Swap(WhyCompaction)
	require.NoError(t, err)
	require.NoError(t, d.Forget(old))
	stage()
	given := d.path(d.mark.Pending)
	require.NoError(t, d.Unstage())
	player := rec.Player()
	for step := range rec.Steps() + 1 {
		for seed := range uint64(40) {
			left := player.At(disktest.Cut{Step: step, Keep: 50, Seed: seed})
			mark, _ := disk.ReadFile(left, "/tables/t/table.json") // at first there is none, nor a store
			for _, dir := range []string{old, given} {
				if _, err := left.Stat(dir); err == nil {
					require.Contains(t, string(mark), filepath.Base(dir), "step %d, seed %d", step, seed)
				}
			}
		}
	}
}
