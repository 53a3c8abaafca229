package app_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

// lastCommits returns the newest segment of the change log that has any commits.
func lastCommits(t *testing.T, h *harness.Harness) string {
	t.Helper()
	v, err := vault.OpenReadOnly(disk.OS, filepath.Join(h.Dir, "vault"))
	require.NoError(t, err)
	for _, s := range slices.Backward(v.Log().Segments()) {
		if s.Commits() > 0 {
			return filepath.Join(h.Dir, "vault", "log", s.Name)
		}
	}
	t.Fatal("the change log is empty")
	return ""
}

// unmerged keeps the segments of the change log as they were shipped.
func unmerged(c *app.Config) {
	c.Hooks.Log = func(o *changelog.ShipperConfig) { o.Merge.Fanout = 1000 }
}

// Where a segment of the log is damaged, too, a table comes back as near to its end as
// the vault leads. That is said, and backed up at once.
func TestADamagedLogIsFollowedAsFarAsItGoes(t *testing.T) {
	for _, spoil := range []func(file string) error{
		os.Remove,
		func(file string) error {
			b, err := os.ReadFile(file)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(file, b, 0o600)
			}
			return err
		},
	} {
		h := harness.New(t, harness.Tables("a"), harness.Configure(unmerged))
		fill(h, "a", 0, 50)
		h.Backup()
		for i := range 3 { // a segment each
			fill(h, "a", 50+5*i, 55+5*i)
			h.Restart()
		}
		last := h.Get("a", "key-0064")
		require.NotEmpty(t, last)
		require.NoError(t, spoil(lastCommits(t, h)))
		hurt(t, h, "a", 7)
		r := healed(t, h)
		require.NotZero(t, r.LaterCommits)
		require.EqualValues(t, 65, r.Records+r.LaterCommits)
		require.GreaterOrEqual(t, r.Records, uint64(50))
		require.Contains(t, r.Missing, "were acknowledged and are in no snapshot")
		h.Expect(harness.BackupComplete(""))
		holds(t, h, "a", int(r.Records))
		h.Put("a", "key-more", "v")
		h.Restart()
		hurt(t, h, "a", 8)
		require.Empty(t, healed(t, h).Missing, "that backup is a good one")
		require.Equal(t, "v", h.Get("a", "key-more"))
		h.Stop()
	}
}

// A table that was restored in its past, by moment, heals to what it became since.
func TestHealingAcrossARestore(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 30)
	v, err := h.Table("a").Put(t.Context(), []byte("key-0030"), []byte(value(30)))
	require.NoError(t, err)
	h.Backup()
	_, err = h.Table("a").Delete(t.Context(), []byte("key-0003"))
	require.NoError(t, err)
	h.Backup()
	restore(t, h, number(v))
	fill(h, "a", 31, 40)
	h.Restart()
	hurt(t, h, "a", 7)
	require.Zero(t, healed(t, h).LaterCommits)
	holds(t, h, "a", 40)
}

func restore(t *testing.T, h *harness.Harness, at string) {
	t.Helper()
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: at})
	require.NoError(t, err)
}

// A store that only lacks its end, and has more than the vault, is not rolled back to
// what the vault has. A person may.
func TestAStoreWithMoreThanTheVaultIsLeftAlone(t *testing.T) {
	for _, policy := range []app.HealPolicy{app.HealAuto, app.HealEmpty} {
		h := harness.New(t, harness.Tables("a"), harness.Configure(func(c *app.Config) { c.Heal = policy }))
		fill(h, "a", 0, 50)
		h.Backup()
		away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
		fill(h, "a", 50, 60)
		h.Stop()
		away.Lift()
		sawLater(t, h)
		h.Start()
		r := recovery(t, h.Expect(harness.CorruptionDetected("a"), harness.RecoveryFailed("a"), harness.Not(harness.TableDegraded(""))))
		require.Contains(t, r.Error, "the store on the disk has later commits than the vault")
		down(t, h, "a")
		h.Restart() // it is still known then
		h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.RecoveryComplete(""), harness.TableDegraded("")))
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		holds(t, h, "a", 50)
		h.Stop()
	}
}

// sawLater makes the witness of table a know of a commit that its store has not got.
func sawLater(t *testing.T, h *harness.Harness) {
	t.Helper()
	file := h.StoreFiles("a", "WITNESS")[0]
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	b = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)+1)
	require.NoError(t, os.WriteFile(file, binary.BigEndian.AppendUint64(b, xxh3.Hash(b)), 0o600))
}

// Damage that the change log meets when it reads a store is damage, too, and no gap. What
// comes before it is saved.
func TestTheChangeLogFindsDamage(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Backup()
	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	fill(h, "a", 50, 60)
	h.Restart()
	h.Damage("a", value(55))
	away.Lift()
	r := healed(t, h)
	require.EqualValues(t, 5, r.LaterCommits)
	require.Contains(t, r.Missing, "5 commits after version")
	holds(t, h, "a", 55)
}

// Whoever restores a table by hand while it is healed has the last word.
func TestARestoreByHandHasTheLastWord(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	run := h.Backup()
	fill(h, "a", 50, 60)
	h.Restart()
	slow := h.FS.On(harness.OpOpen, "vault/tables/a/*.frames*").Hold()
	hurt(t, h, "a", 7)
	slow.Wait() // the healer is at work
	var manual sync.WaitGroup
	manual.Go(func() {
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, Snapshot: run.ID})
		require.NoError(t, err)
	})
	slow.Lift()
	manual.Wait()
	holds(t, h, "a", 50)
	fill(h, "a", 50, 55)
	h.Restart()
	holds(t, h, "a", 55)
}

// A hub that is closed while it heals a table heals it the next time.
func TestClosedWhileHealing(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Backup()
	h.Restart()
	slow := h.FS.On(harness.OpOpen, "vault/tables/a/*.frames*").Hold()
	hurt(t, h, "a", 7)
	slow.Wait()
	h.Restart()
	h.Expect(harness.CorruptionDetected("a"), harness.RecoveryComplete("a"))
	holds(t, h, "a", 50)
}

// While a table is down nothing goes that its recovery could need.
func TestRetentionWaitsForADamagedTable(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Configure(func(c *app.Config) {
		c.Heal, c.Keep, c.LogWindow, c.DrillEvery = app.HealOff, 1, 1, -1
		c.Hooks.Log = func(o *changelog.ShipperConfig) { o.Merge.Fanout = 1000 } // what is merged goes as a whole
	}))
	fill(h, "a", 0, 50)
	h.Backup()
	h.Restart()
	hurt(t, h, "a", 7)
	h.Expect(harness.CorruptionDetected("a"))
	logBegins := func() string {
		names, err := filepath.Glob(filepath.Join(h.Dir, "vault", "log", "*.log"))
		require.NoError(t, err)
		from, _, _ := strings.Cut(filepath.Base(names[0]), "-")
		return from
	}
	first := logBegins()
	for i := range 3 {
		fill(h, "b", i, i+1)
		h.Backup("b")
	}
	require.Equal(t, first, logBegins())
	list, err := h.Hub().List(t.Context(), "b")
	require.NoError(t, err)
	require.Less(t, len(list.Snapshots), 4, "the other tables' retention goes on")
	restore(t, h, app.Latest)
	holds(t, h, "a", 50)
	h.Backup()
	require.NotEqual(t, first, logBegins())
}
