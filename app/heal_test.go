package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// value is what key i has in every one of these tests: long, and found by its text.
func value(i int) string { return fmt.Sprintf("<value of record %04d>%s", i, strings.Repeat("x", 200)) }

func fill(h *harness.Harness, table string, from, to int) {
	for i := from; i < to; i++ {
		h.Put(table, fmt.Sprintf("key-%04d", i), value(i))
	}
}

// holds checks that the table has the records and no other.
func holds(t *testing.T, h *harness.Harness, table string, n int) {
	t.Helper()
	found := 0
	for rec, err := range h.Table(table).Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		require.Equal(t, value(found), string(rec.Value))
		found++
	}
	require.Equal(t, n, found)
}

// hurt damages a record of the table, which lies on the disk, and has it found.
func hurt(t *testing.T, h *harness.Harness, table string, i int) {
	t.Helper()
	h.Damage(table, value(i))
	_, err := h.Table(table).Get(t.Context(), fmt.Appendf(nil, "key-%04d", i))
	require.ErrorIs(t, err, app.ErrDamaged)
}

// headless takes away what tells which files are the store of table a.
func headless(h *harness.Harness) {
	for _, file := range h.StoreFiles("a", "MANIFEST") {
		_ = os.Remove(file)
	}
}

func recovery(t *testing.T, e app.Event) app.RestoredTable {
	t.Helper()
	r, err := app.Decode[app.RestoredTable](e)
	require.NoError(t, err)
	return r
}

// healed waits for the recovery of table a, and until it serves.
func healed(t *testing.T, h *harness.Harness) app.RestoredTable {
	t.Helper()
	r := recovery(t, h.Expect(harness.CorruptionDetected("a"), harness.RecoveryComplete("a").With("trigger", "auto")))
	require.Equal(t, app.StatusRestored, r.Status)
	return r
}

func number(v app.Version) string { return strconv.FormatUint(uint64(v), 10) }

func down(t *testing.T, h *harness.Harness, table string) {
	t.Helper()
	_, err := h.Table(table).Get(t.Context(), []byte("key-0000"))
	require.ErrorIs(t, err, app.ErrUnavailable)
	require.ErrorIs(t, err, app.ErrQuarantined)
	require.ErrorIs(t, err, app.ErrDamaged)
	_, err = h.Table(table).Put(t.Context(), []byte("k"), []byte("v"))
	require.ErrorIs(t, err, app.ErrQuarantined)
	var whose *app.UnavailableError
	require.ErrorAs(t, err, &whose)
	require.Equal(t, table, whose.Table)
}

// Damage that a read meets quarantines the table, which is rebuilt from a snapshot and
// the change log up to its last commit. The other table never notices.
func TestATableHealsItself(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	fill(h, "a", 0, 100)
	fill(h, "b", 0, 10)
	run := h.Backup()
	fill(h, "a", 100, 150)
	h.Restart()
	fill(h, "a", 150, 170) // in memory only, and perhaps not in the log
	hurt(t, h, "a", 7)
	r := healed(t, h)
	require.EqualValues(t, 170, r.Records)
	require.Zero(t, r.LaterCommits)
	require.Empty(t, r.Missing)
	require.Contains(t, r.Snapshot, run.ID)
	require.DirExists(t, r.ReplacedDir)
	holds(t, h, "a", 170)
	holds(t, h, "b", 10)
	fill(h, "a", 170, 180)
	require.Equal(t, 2, h.Backup().TablesSuccess)
	for _, th := range h.Hub().Health(t.Context()).Tables {
		require.Equal(t, app.Serving, th.Status)
	}
	h.Restart()
	holds(t, h, "a", 180)
	past, err := h.Hub().TableAt(t.Context(), "a", fmt.Sprint(run.Cut)) // no moment is lost
	require.NoError(t, err)
	n, err := past.Count(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 100, n)
	past.Close()
}

// Whoever meets it, damage is healed.
func TestWhoFindsDamage(t *testing.T) {
	for name, find := range map[string]func(h *harness.Harness) error{
		"scan": func(h *harness.Harness) (err error) {
			for _, err = range h.Table("a").Scan(h.Context(), app.Range{}) {
			}
			return err
		},
		"scrub":  func(h *harness.Harness) error { _, err := h.Hub().Scrub(h.Context(), "a"); return err },
		"backup": func(h *harness.Harness) error { _, err := h.Hub().Backup(h.Context(), "a"); return err },
		"write": func(h *harness.Harness) error {
			_, err := h.Table("a").Put(h.Context(), []byte("key-0007"), nil)
			return err
		},
		"compaction": func(h *harness.Harness) error { _, err := h.Hub().Compact(h.Context(), "a"); return err },
		"open": func(h *harness.Harness) error {
			h.Stop()
			headless(h)
			h.Start()
			return app.ErrDamaged
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := harness.New(t, harness.Tables("a"))
			fill(h, "a", 0, 50)
			h.Restart()
			if name != "open" {
				h.Damage("a", value(7))
			}
			require.Error(t, find(h))
			require.Empty(t, healed(t, h).Snapshot, "there was none: the log has it all")
			holds(t, h, "a", 50)
		})
	}
}

// A hundred errors are one recovery, and what comes late from the old store nobody minds.
func TestAHundredErrorsAreOneRecovery(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 100)
	h.Restart()
	var values []string
	for i := range 100 {
		values = append(values, value(i))
	}
	h.Damage("a", values...)
	var readers sync.WaitGroup
	for i := range 100 {
		readers.Go(func() { _, _ = h.Table("a").Get(t.Context(), fmt.Appendf(nil, "key-%04d", i)) })
	}
	readers.Wait()
	healed(t, h)
	holds(t, h, "a", 100)
	h.Put("a", "key-0100", value(100))
	count := 0
	for _, e := range h.Events() {
		if e.Type == app.CorruptionDetected || e.Type == app.RecoveryComplete {
			count++
		}
	}
	require.Equal(t, 2, count)
}

// Where the newest snapshot is damaged too, the one before is taken; where none is
// left, the log from its beginning. The table is the same.
func TestOlderSnapshotsAreTried(t *testing.T) {
	for _, bad := range []int{1, 2} {
		h := harness.New(t, harness.Tables("a"))
		var runs []app.Run
		for i := range 2 {
			fill(h, "a", 50*i, 50*i+50)
			runs = append(runs, h.Backup())
		}
		fill(h, "a", 100, 120)
		h.Restart()
		for i := range bad {
			spoil(t, runs[1-i].Results[0].Path)
		}
		hurt(t, h, "a", 7)
		r := healed(t, h)
		if bad == 1 {
			require.Contains(t, r.Snapshot, runs[0].ID)
		} else {
			require.Empty(t, r.Snapshot)
		}
		require.Zero(t, r.LaterCommits)
		holds(t, h, "a", 120)
		h.Stop()
	}
}

// spoil flips a bit in the middle of each data file of a snapshot.
func spoil(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.frames*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		b[len(b)/2] ^= 1
		require.NoError(t, os.WriteFile(file, b, 0o600))
	}
}

// The newest proven snapshot is preferred to a newer one that nobody has proven.
func TestTheProvenSnapshotIsPreferred(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Configure(func(c *app.Config) { c.DrillEvery = -1 }))
	fill(h, "a", 0, 50)
	proven := h.Backup()
	_, err := h.Hub().Drill(t.Context(), "a")
	require.NoError(t, err)
	fill(h, "a", 50, 60)
	h.Backup()
	h.Restart()
	hurt(t, h, "a", 7)
	require.Contains(t, healed(t, h).Snapshot, proven.ID)
	holds(t, h, "a", 60)
}

// With nothing to restore from the table stays down, its store where it is, and that
// is said; also after a restart. Never is it reported as restored.
func TestNothingToHealFrom(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Configure(func(c *app.Config) { c.LogInterval = -1 }))
	fill(h, "a", 0, 50)
	h.Restart()
	hurt(t, h, "a", 7)
	r := recovery(t, h.Expect(harness.CorruptionDetected("a"), harness.RecoveryFailed("a").With("trigger", "auto")))
	require.Equal(t, app.StatusFailed, r.Status)
	require.Contains(t, r.Error, "the vault has no snapshot and no change log of it")
	require.Contains(t, r.Error, filepath.Dir(h.StoreFiles("a", "MANIFEST")[0]))
	down(t, h, "a")
	run, err := h.Hub().Backup(t.Context())
	require.Error(t, err)
	require.Equal(t, []string{"b"}, run.TablesBackedUp)
	health := h.Hub().Health(t.Context())
	require.Equal(t, app.HealthUnhealthy, health.Status)
	require.Contains(t, strings.Join(health.Conditions, "\n"), "cannot be rebuilt")
	h.Restart()
	down(t, h, "a")
	h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.CorruptionDetected("a")))
}

// The policy may be to start empty. That is a degraded table, and no success.
func TestStartEmptyWhereNothingIsLeft(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Configure(func(c *app.Config) { c.LogInterval, c.Heal = -1, app.HealEmpty }))
	fill(h, "a", 0, 50)
	h.Restart()
	hurt(t, h, "a", 7)
	kept := filepath.Dir(h.StoreFiles("a", "MANIFEST")[0])
	e := h.Expect(harness.TableDegraded("a"), harness.Not(harness.RecoveryComplete("")))
	d, err := app.Decode[app.Degradation](e)
	require.NoError(t, err)
	require.Equal(t, kept, d.ReplacedDir)
	require.DirExists(t, kept)
	holds(t, h, "a", 0)
	degraded := func() app.TableHealth { return h.Hub().Health(t.Context()).Tables[0] }
	require.Equal(t, app.Degraded, degraded().Status)
	require.Contains(t, degraded().Error, kept)
	fill(h, "a", 0, 3)
	h.Restart()
	holds(t, h, "a", 3)
	require.Equal(t, app.Degraded, degraded().Status)
	h.Backup()
	require.Equal(t, app.Serving, degraded().Status)
}

// While the vault is away a table waits for it, however long.
func TestHealingWaitsForTheVault(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.FakeClock(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)))
	fill(h, "a", 0, 50)
	h.Restart()
	away := h.FS.On(harness.OpOpen, "vault/*").Fail(syscall.EIO)
	hurt(t, h, "a", 7)
	h.Expect(harness.CorruptionDetected("a"))
	for !strings.Contains(strings.Join(h.Hub().Health(t.Context()).Conditions, "\n"), "as soon as that can be done") {
		require.NoError(t, t.Context().Err())
	}
	for range 100 {
		h.Advance(time.Minute)
	}
	down(t, h, "a")
	away.Lift()
	stop := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				h.Advance(time.Second)
			}
		}
	})
	r := recovery(t, h.Expect(harness.RecoveryComplete("a"), harness.Not(harness.RecoveryFailed(""))))
	close(stop)
	ticking.Wait()
	require.Zero(t, r.LaterCommits)
	holds(t, h, "a", 50)
}

// What was acknowledged and is in no log is said to be missing: how much, and up to when.
func TestWhatIsMissingIsSaid(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Backup()
	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	fill(h, "a", 50, 53)
	h.Stop()
	away.Lift()
	headless(h)
	h.Start()
	r := healed(t, h)
	require.NotZero(t, r.LaterCommits)
	require.Contains(t, r.Missing, "were acknowledged")
	holds(t, h, "a", 50)
	fill(h, "a", 50, 55)
	h.Restart()
	holds(t, h, "a", 55)
	_, err := h.Hub().Verify(t.Context())
	require.NoError(t, err)
}

// What the log had not got in memory any more is read from the damaged store, as far as
// it is whole.
func TestUnshippedCommitsAreSalvaged(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Backup()
	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	fill(h, "a", 50, 60)
	h.Restart() // the log has not got them, and memory neither
	hurt(t, h, "a", 7)
	h.Expect(harness.CorruptionDetected("a"))
	away.Lift()
	r := recovery(t, h.Expect(harness.RecoveryComplete("a")))
	require.Empty(t, r.Missing)
	holds(t, h, "a", 60)
}

// Two recoveries within an hour, and the third is a person's business: also after a
// restart. A restore by hand clears that.
func TestTheThirdRecoveryIsNotBegun(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	for range 2 {
		h.Restart()
		hurt(t, h, "a", 7)
		healed(t, h)
	}
	h.Restart()
	hurt(t, h, "a", 7)
	for range 2 {
		r := recovery(t, h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.RecoveryComplete(""))))
		require.Contains(t, r.Error, "recovered twice within an hour; a person must look")
		down(t, h, "a")
		require.Equal(t, app.HealthUnhealthy, h.Hub().Health(t.Context()).Status)
		h.Restart()
	}
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
	require.NoError(t, err)
	holds(t, h, "a", 50)
	h.Restart()
	hurt(t, h, "a", 7)
	healed(t, h)
	holds(t, h, "a", 50)
}

// With healing off a table stays down until somebody restores it.
func TestHealingOff(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Configure(func(c *app.Config) { c.Heal = app.HealOff }))
	fill(h, "a", 0, 50)
	h.Backup()
	h.Restart()
	hurt(t, h, "a", 7)
	h.Expect(harness.CorruptionDetected("a"))
	down(t, h, "a")
	run, err := h.Hub().Backup(t.Context()) // the quarantined table takes part, and holds up nobody
	require.Error(t, err)
	require.Equal(t, []string{"b"}, run.TablesBackedUp)
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
	require.NoError(t, err)
	require.Zero(t, out.Results[0].LaterCommits)
	holds(t, h, "a", 50)
}

// An actor that crashes on the news heals all the same.
func TestCrashOnTheNews(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Restart()
	crash := h.TableProbe("a").On(harness.Quarantine).Nth(1).Panic()
	hurt(t, h, "a", 7)
	crash.Wait()
	healed(t, h)
	holds(t, h, "a", 50)
}

// A kill between the swap of a recovery and its announcement does not swallow it, and a
// quarantine outlives one, too.
func TestKilledWhileHealing(t *testing.T) {
	for _, step := range []harness.Step{harness.RestoreStaged("a"), harness.RestoreSwapped("a")} {
		h := harness.Kill(t, healScenario, step)
		h.Expect(harness.RecoveryComplete("a").With("trigger", "auto"))
		holds(t, h, "a", 50)
		h.Stop()
	}
}

var healScenario = harness.Scenario("heal", func(h *harness.Harness) {
	fill(h, "a", 0, 50)
	h.Restart()
	h.Damage("a", value(7))
	_, _ = h.Table("a").Get(h.Context(), []byte("key-0007"))
	h.Expect(harness.RecoveryComplete("a"))
}, harness.Tables("a"))

// Errors that are none of the data's make no table roll back: a full disk, an
// unreadable marker, a lost store, time that runs out.
func TestWhatIsNoDamage(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Backup()
	free := h.DiskFull()
	_, err := h.Table("a").Put(t.Context(), []byte("k"), []byte("v"))
	require.ErrorIs(t, err, app.ErrNoSpace)
	free()
	for _, no := range []error{syscall.EIO, syscall.EMFILE, syscall.ENOSPC, os.ErrDeadlineExceeded} {
		h.Stop()
		fault := h.FS.On(harness.OpOpen, "data/tables/a/table.json").Fail(no)
		h.Start()
		_, err = h.Table("a").Get(t.Context(), []byte("key-0000"))
		require.ErrorIs(t, err, app.ErrUnavailable)
		require.False(t, errors.Is(err, app.ErrDamaged) || errors.Is(err, app.ErrQuarantined), "%v", err)
		fault.Lift()
	}
	h.Stop()
	store := filepath.Join(h.Dir, "data", "tables", "a")
	require.NoError(t, os.Rename(store, store+"-away"))
	h.Start()
	_, err = h.Table("a").Get(t.Context(), []byte("key-0000"))
	require.ErrorIs(t, err, app.ErrLost)
	h.Stop()
	require.NoError(t, os.Rename(store+"-away", store))
	h.Start()
	holds(t, h, "a", 50)
	for _, e := range h.Events() {
		require.NotContains(t, []app.EventType{app.CorruptionDetected, app.RecoveryComplete, app.RecoveryFailed}, e.Type)
	}
}

// A damaged marker is healed as well.
func TestDamagedMarker(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Stop()
	require.NoError(t, os.WriteFile(filepath.Join(h.Dir, "data", "tables", "a", "table.json"), []byte("{"), 0o600))
	h.Start()
	healed(t, h)
	holds(t, h, "a", 50)
	h.Restart()
	holds(t, h, "a", 50)
}

// A command on the directories heals nothing.
func TestOfflineDoesNotHeal(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	fill(h, "a", 0, 50)
	h.Stop()
	headless(h)
	h.Reconfigure(func(c *app.Config) { c.Offline = true })
	h.Start()
	down(t, h, "a")
	require.Equal(t, app.Unavailable, h.Hub().Health(t.Context()).Tables[0].Status)
	h.Stop()
	h.Reconfigure(func(c *app.Config) { c.Offline = false })
	h.Start()
	h.Expect(harness.RecoveryComplete("a"))
	holds(t, h, "a", 50)
}
