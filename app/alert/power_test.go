package alert

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// Wherever the power goes: an alarm that was written waits for its receiver, whole, and
// in order, until it was forgotten. (One that was forgotten may come back.)
func TestPowerSpool(t *testing.T) {
	disktest.Power(t, func(t *testing.T, seed uint64) disktest.Life {
		rec, err := disktest.Record(&disktest.Mem{}, disktest.Options{})
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(seed, 1))
		s := spoolOn(rec)
		_, err = s.load()
		require.NoError(t, err)
		kept, gone := map[string]int{}, map[string]int{} // by id, from which step on
		var waiting []*item
		for seq := uint64(1); seq < 50; {
			if len(waiting) > 0 && rng.IntN(3) == 0 {
				i := rng.IntN(len(waiting))
				gone[waiting[i].ID] = rec.Steps() + 1
				s.remove(waiting[i].seq)
				waiting = slices.Delete(waiting, i, i+1)
				continue
			}
			it := &item{seq: seq, Alarm: Alarm{ID: fmt.Sprintf("%03d", seq), Text: fmt.Sprint("alarm ", rng.Uint64())}}
			require.NoError(t, s.write(it))
			kept[it.ID] = rec.Steps()
			waiting = append(waiting, it)
			seq++
		}
		return disktest.Life{Recorder: rec, Start: func(fsys disk.FS, step int) (func() error, error) { return nil, waits(fsys, step, kept, gone) }}
	})
}

func spoolOn(fsys disk.FS) *spool {
	return &spool{fs: fsys, dir: "/data/alerts/one", log: slog.New(slog.DiscardHandler)}
}

func waits(fsys disk.FS, step int, kept, gone map[string]int) error {
	s := spoolOn(fsys)
	items, err := s.load()
	if err != nil {
		return err
	}
	last, have := "", map[string]bool{}
	for _, it := range items {
		if it.ID <= last {
			return fmt.Errorf("alarm %s comes behind alarm %s", it.ID, last)
		}
		last, have[it.ID] = it.ID, true
	}
	for id, from := range kept {
		if at, is := gone[id]; from <= step && (!is || at > step) && !have[id] {
			return fmt.Errorf("alarm %s was written and is gone", id)
		}
	}
	entries, err := fsys.ReadDir(s.dir)
	if err == nil && len(entries) != len(items) {
		err = fmt.Errorf("%d files for %d alarms", len(entries), len(items))
	}
	return err
}
