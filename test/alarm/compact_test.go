package alarm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/test/extent"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

const sixHours = 6 * time.Hour

func compacting(c *app.Config) { c.CompactEvery = 0 } // the default

func compactions(h *harness.Harness) (out []app.Compaction) {
	for _, e := range h.Events() {
		if e.Type == app.CompactionComplete || e.Type == app.CompactionFailed {
			c, err := app.Decode[app.Compaction](e)
			if err != nil {
				panic(err)
			}
			out = append(out, c)
		}
	}
	return out
}

// rounds is how many scheduled rounds have ended, by the file that remembers the last.
func rounds(t *testing.T, h *harness.Harness) (last string) {
	b, err := os.ReadFile(filepath.Join(h.Dir, "data", "compacted.json"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return string(b)
}

func TestCompactionOnSchedule(t *testing.T) {
	h := calm(t, harness.Tables("a", "b"), harness.Configure(compacting))
	fragment(t, h, "a", 200, 100)
	fragment(t, h, "b", 2000, 100)
	h.Backup()
	h.Advance(sixHours - time.Minute)
	require.Empty(t, compactions(h))
	until(t, h, time.Minute, "a round", func() bool { return len(compactions(h)) == 1 })
	got := compactions(h)[0]
	require.Equal(t, app.StatusComplete, got.Status)
	require.Equal(t, actors.TriggerSchedule, got.Trigger)
	require.Len(t, got.Results, 1, "b is not fragmented enough")
	require.Equal(t, "a", got.Results[0].Table)
	require.InDelta(t, 0.5, got.Results[0].FragmentationBefore, 0.1)
	require.Zero(t, got.Results[0].FragmentationAfter)
	at := health(t, h).LastCompactionAt
	require.Equal(t, got.StartedAt, *at)

	// A round in which nothing is due is none.
	eventually(t, "it is remembered", func() bool { return rounds(t, h) != "" })
	before := rounds(t, h)
	until(t, h, time.Hour, "another round", func() bool { return rounds(t, h) != before })
	require.Len(t, compactions(h), 1)
	require.Len(t, health(t, h).CompactionHistory, 1)

	// The time goes on over a restart: what is overdue comes soon, and not before.
	fragment(t, h, "b", 2000, 500)
	h.Backup()
	h.Restart()
	h.Advance(2 * time.Hour)
	require.Len(t, compactions(h), 1)
	h.Stop()
	h.Clock.Advance(5 * time.Hour)
	h.Start()
	h.Put("b", "k", "v")
	h.Backup()
	began := h.Clock.Now()
	closely(t, h, 10*time.Second, "the overdue round", func() bool { return len(compactions(h)) == 2 })
	second := compactions(h)[1] // the clock goes on while it runs
	require.Less(t, second.StartedAt.Sub(began), 30*time.Minute)
	require.Equal(t, "b", second.Results[0].Table)
	require.Len(t, health(t, h).CompactionHistory, 2)
}

func TestCompactionIsTriedTwice(t *testing.T) {
	h := calm(t, harness.Tables("a"), harness.Configure(compacting))
	fragment(t, h, "a", 200, 100)
	h.Backup()
	once := h.FS.On(harness.OpRename, "data/tables/a/*").Nth(1).Fail(syscall.EIO)
	until(t, h, time.Hour, "a round", func() bool { return len(compactions(h)) == 1 })
	require.Equal(t, app.StatusComplete, compactions(h)[0].Status)
	require.Equal(t, 1, once.Hits())
	once.Lift()

	fragment(t, h, "a", 200, 100)
	h.Backup()
	always := h.FS.On(harness.OpRename, "data/tables/a/*").Fail(syscall.EIO)
	until(t, h, time.Hour, "a round", func() bool { return len(compactions(h)) == 2 })
	require.Equal(t, app.StatusFailed, compactions(h)[1].Status)
	require.Contains(t, compactions(h)[1].Results[0].Error, syscall.EIO.Error())
	require.Equal(t, 2, always.Hits())
	require.NotEmpty(t, h.Get("a", "199"))
	for _, e := range h.Events() {
		require.NotEqual(t, app.CorruptionDetected, e.Type)
	}
}

func TestCompactionWaitsForABackup(t *testing.T) {
	h := calm(t, harness.Configure(compacting))
	fragment(t, h, "a", 200, 100)
	copying := h.FS.On(harness.OpCreate, "vault/tables/*").Hold()
	done := make(chan error, 1)
	go func() {
		_, err := h.Hub().Backup(h.Context())
		done <- err
	}()
	copying.Wait()
	h.Advance(sixHours)
	for range 20 {
		require.NoError(t, h.Clock.BlockUntilContext(h.Context(), 1))
		h.Advance(5 * time.Second)
	}
	require.NotContains(t, h.TableProbe("a").Got(), harness.Exchange)
	copying.Lift()
	require.NoError(t, <-done)
	until(t, h, 5*time.Second, "a round", func() bool { return len(compactions(h)) == 1 })
	h.Expect(harness.BackupComplete(""), harness.Event(app.CompactionComplete))
}

// The figure is true: of an empty table, a full one, a half-dead one and a compacted
// one, before and after a restart; and what a compaction frees is free on the disk, for
// values in the tables' files and in the value log.
func TestCompactionFreesWhatIsDead(t *testing.T) {
	for _, size := range extent.Of([]int{1 << 10, 20 << 10, 64 << 10}, 3, 2) {
		t.Run(fmt.Sprintf("values of %d KiB", size>>10), func(t *testing.T) {
			h := calm(t, harness.Configure(func(c *app.Config) { c.Tables = []string{"a"} }))
			require.Zero(t, fragmentation(t, h))
			value := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			n := 48 << 20 / size
			write(t, h, "a", n, func(i int) app.Op { return app.Op{Key: fmt.Append(nil, i), Value: value} })
			require.Less(t, fragmentation(t, h), 0.01)
			write(t, h, "a", n*3/4, func(i int) app.Op { return app.Op{Key: fmt.Append(nil, i), Delete: true} })
			require.InDelta(t, 0.75, fragmentation(t, h), 0.03)
			h.Backup()
			h.Restart()
			require.InDelta(t, 0.75, fragmentation(t, h), 0.03)
			before := onDisk(t, h)
			began := time.Now()
			_, err := h.Hub().Compact(h.Context())
			require.NoError(t, err)
			took := time.Since(began)
			require.Zero(t, fragmentation(t, h))
			h.Restart()
			require.Less(t, fragmentation(t, h), 0.01)
			after := onDisk(t, h)
			t.Logf("%d records of %d KiB, 75 %% deleted: %.1f MB before, %.1f MB after, %.0f %% came back in %v",
				n, size>>10, float64(before)/1e6, float64(after)/1e6, 100*(1-float64(after)/float64(before)), took.Round(time.Millisecond))
			require.LessOrEqual(t, float64(after), 0.4*float64(before), "60 percent come back")
			count, err := h.Table("a").Count(h.Context())
			require.NoError(t, err)
			require.EqualValues(t, n-n*3/4, count)
		})
	}
}

func write(t *testing.T, h *harness.Harness, table string, n int, op func(int) app.Op) {
	t.Helper()
	for i := 0; i < n; {
		var b app.Batch
		for size := 0; i < n && len(b) < 200 && size < 1<<19; i++ {
			o := op(i)
			b, size = append(b, o), size+len(o.Value)
		}
		_, err := h.Table(table).Apply(h.Context(), b)
		require.NoError(t, err)
	}
}

func fragmentation(t *testing.T, h *harness.Harness) float64 {
	t.Helper()
	return h.Hub().Health(h.Context()).Tables[0].Fragmentation
}

// onDisk is what all of the table occupies.
func onDisk(t *testing.T, h *harness.Harness) int64 {
	t.Helper()
	size, _, err := disk.Usage(filepath.Join(h.Dir, "data", "tables", "a"))
	require.NoError(t, err)
	return size
}
