package parity

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// names returns the table's snapshots, newest first.
func names(t *testing.T, h *harness.Harness, table string) (out []string) {
	t.Helper()
	list, err := h.Hub().List(t.Context(), table)
	require.NoError(t, err)
	require.Empty(t, list.Problems)
	for _, s := range list.Snapshots {
		out = append(out, s.Name)
	}
	return out
}

// damage flips a byte in the middle of the largest file below the folder.
func damage(t *testing.T, dir string) {
	t.Helper()
	var largest string
	var size int64
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "manifest.json" {
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return nil
	}))
	require.NotEmpty(t, largest)
	b, err := os.ReadFile(largest)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(largest, b, 0o600))
}

func TestFault1(t *testing.T) {
	t.Run("a restore without a backup leaves the live table serving, and what it acknowledges is there at the next start", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Put("a", "before", "v")
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		var failed *app.FailedError
		require.ErrorAs(t, err, &failed)
		h.Put("a", "after", "v")
		require.Equal(t, "v", h.Get("a", "before"))
		h.Restart()
		require.Equal(t, "v", h.Get("a", "before"))
		require.Equal(t, "v", h.Get("a", "after"))
	})
}

func TestFault2(t *testing.T) {
	t.Run("the fragmentation of an empty, a full, a half dead and a compacted table are four figures", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		figure := func() float64 { return tableOf(t, h.Hub().Health(t.Context()), "a").Fragmentation }
		require.Zero(t, figure(), "empty")
		fill(h, "a", 200)
		require.Less(t, figure(), 0.05, "full")
		fill(h, "a", 200)
		require.InDelta(t, 0.5, figure(), 0.06, "each record was overwritten once")
		h.Backup() // what only the table has, it keeps
		_, err := h.Hub().Compact(t.Context())
		require.NoError(t, err)
		require.Less(t, figure(), 0.05, "compacted")
	})
}

func TestFault3(t *testing.T) {
	t.Run("a full disk refuses writes, a hundred of them, and rolls nothing back", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Put("a", "k", "backed up")
		h.Backup()
		h.Put("a", "k", "newer than the backup")
		free := h.DiskFull()
		for range 100 {
			_, err := h.Table("a").Put(t.Context(), []byte("k"), []byte("refused"))
			require.ErrorIs(t, err, storage.ErrNoSpace)
		}
		require.Equal(t, "newer than the backup", h.Get("a", "k"))
		free()
		h.Put("a", "l", "goes on by itself")
		run := h.Backup()
		h.Expect(harness.BackupComplete(run.ID), harness.Not(harness.RecoveryComplete(""), harness.RecoveryFailed(""), harness.CorruptionDetected("")))
		require.Equal(t, "newer than the backup", h.Get("a", "k"))
	})
	t.Run("nor do errors of the vault's disk, or an operation that takes too long", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.PinWithin(50*time.Millisecond))
		h.Put("a", "k", "backed up")
		h.Backup()
		h.Put("a", "k", "newer")
		broken := h.FS.On(harness.OpWrite, "vault/*").Fail(syscall.EIO)
		_, err := h.Hub().Backup(t.Context())
		require.Error(t, err)
		broken.Lift()
		h.TableProbe("a").On(harness.Flush).Nth(1).Drop()
		_, err = h.Hub().Backup(t.Context())
		require.Error(t, err)
		run := h.Backup()
		h.Expect(harness.BackupComplete(run.ID), harness.Not(harness.RecoveryComplete(""), harness.RecoveryFailed(""), harness.CorruptionDetected("")))
		require.Equal(t, "newer", h.Get("a", "k"))
	})
}

func TestFault4(t *testing.T) {
	t.Run("a lost table with nothing to restore from is never reported as restored, and never silently empty", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), withoutLog())
		h.Put("a", "k", "v")
		h.Stop()
		h.LoseTable("a")
		h.Start()
		_, err := h.Table("a").Count(t.Context())
		require.ErrorIs(t, err, app.ErrUnavailable)
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.Error(t, err)
		require.Equal(t, app.StatusFailed, out.Status)
		h.Expect(harness.RecoveryFailed("a"), harness.Not(harness.RecoveryComplete("")))
		_, err = h.Table("a").Count(t.Context())
		require.ErrorIs(t, err, app.ErrUnavailable)
	})
}

func TestFault5(t *testing.T) {
	t.Run("a run in which no table succeeded is announced as failed, and is not the last backup", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"), harness.FakeClock(morning))
		good := h.Backup()
		h.Advance(time.Hour)
		undo := h.VaultReadOnly()
		run, err := h.Hub().Backup(t.Context())
		undo()
		require.Error(t, err)
		require.Equal(t, app.StatusFailed, run.Status)
		h.Expect(harness.BackupComplete(good.ID), harness.BackupFailed(run.ID))
		h.Advance(47*time.Hour + time.Second)
		health := h.Hub().Health(t.Context())
		require.Equal(t, good.StartedAt, health.LastBackupAt)
		require.True(t, health.StaleBackup, "two days after the good one")
		for _, e := range h.Events() {
			require.False(t, e.Type == app.BackupComplete && fields(t, e)["run"] == run.ID, "no success was announced")
		}
	})
}

func TestFault6(t *testing.T) {
	t.Run("three bad backups leave no file that counts, and evict no good one", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), withoutLog())
		for i := range 3 {
			h.Put("a", "k", string(rune('0'+i)))
			h.Backup()
		}
		good := names(t, h, "a")
		require.Len(t, good, 3)
		h.Put("a", "k", "newer")
		torn := h.FS.On(harness.OpWrite, "vault/tables/a/*").AtByte(20).Fail(syscall.EIO)
		for range 3 {
			_, err := h.Hub().Backup(t.Context())
			require.Error(t, err)
		}
		require.Positive(t, torn.Hits())
		torn.Lift()
		require.Equal(t, good, names(t, h, "a"))
		h.Restart()
		require.Equal(t, good, names(t, h, "a"))
		report, err := h.Hub().Verify(t.Context())
		require.NoError(t, err)
		require.Equal(t, app.StatusOK, report.Status)
	})
	t.Run("a copy under writes is one moment of all tables, needs no repair, and is checked", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
		stop, done := make(chan struct{}), sync.WaitGroup{}
		done.Go(func() { // b is never ahead of a
			for n := uint64(1); ; n++ {
				for _, name := range []string{"a", "b"} {
					if _, err := h.Table(name).Put(t.Context(), []byte("n"), number(n)); err != nil {
						t.Error(err)
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		var runs []app.Run
		for range 5 {
			runs = append(runs, h.Backup())
		}
		close(stop)
		done.Wait()
		_, err := h.Hub().Drill(t.Context())
		require.NoError(t, err)
		for _, run := range runs[2:] { // those that retention kept
			at := func(name string) uint64 {
				past, err := h.Hub().TableAt(t.Context(), name, run.CutAt.Format(time.RFC3339Nano))
				require.NoError(t, err)
				defer past.Close()
				rec, err := past.Get(t.Context(), []byte("n"))
				if errors.Is(err, app.ErrNotFound) {
					return 0
				}
				require.NoError(t, err)
				return binary.BigEndian.Uint64(rec.Value)
			}
			a, b := at("a"), at("b")
			require.LessOrEqual(t, b, a)
			require.LessOrEqual(t, a, b+1)
		}
	})
	t.Run("a backup whose bytes changed is found", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), withoutLog())
		h.Put("a", "k", "v")
		damage(t, result(t, h.Backup(), "a").Path)
		_, err := h.Hub().Verify(t.Context())
		require.Error(t, err)
		_, err = h.Hub().Drill(t.Context())
		require.Error(t, err)
	})
}

func TestFault7(t *testing.T) {
	t.Run("a restore from a damaged backup fails before anything is replaced; the newest that is sound is taken", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), withoutLog())
		h.Put("a", "k", "older")
		older := h.Backup()
		h.Put("a", "k", "newer")
		newer := result(t, h.Backup(), "a")
		damage(t, newer.Path)
		h.Put("a", "k", "live")
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, Snapshot: newer.Snapshot})
		require.Error(t, err)
		require.Equal(t, "live", h.Get("a", "k"))
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, result(t, older, "a").Snapshot, out.Results[0].Snapshot, "it says which")
		require.Equal(t, "older", h.Get("a", "k"))
	})
	t.Run("what a restore replaces is kept, and there is a way back", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Put("a", "k", "backed up")
		h.Backup()
		v, err := h.Table("a").Put(t.Context(), []byte("k"), []byte("later"))
		require.NoError(t, err)
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		require.DirExists(t, out.Results[0].ReplacedDir)
		require.EqualValues(t, 1, out.Results[0].LaterCommits, "it says what it leaves out")
		require.Equal(t, "backed up", h.Get("a", "k"))
		_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: fmt.Sprint(v)})
		require.NoError(t, err)
		require.Equal(t, "later", h.Get("a", "k"))
	})
}

func TestFault8(t *testing.T) {
	t.Run("a hub that is restarted daily is backed up daily, and never says that it was not", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.Schedule("@every 24h"), harness.FakeClock(morning))
		for day := range 3 {
			at, ok := h.Hub().NextBackup()
			require.True(t, ok)
			require.WithinDuration(t, h.Clock.Now().Add(24*time.Hour), at, time.Minute, "day %d", day)
			h.Advance(12 * time.Hour)
			h.Restart()
			again, _ := h.Hub().NextBackup()
			require.Equal(t, at, again, "the restart does not reset it")
			h.Advance(at.Sub(h.Clock.Now()))
			h.Expect(harness.BackupComplete("").With("trigger", "schedule"))
			h.BackupProbe().Await(harness.Ran)
		}
		last := h.Hub().Health(t.Context())
		h.Restart()
		health := h.Hub().Health(t.Context())
		require.False(t, health.StaleBackup)
		require.NotContains(t, health.Conditions, "backup never run")
		require.Equal(t, last.LastBackupAt, health.LastBackupAt)
		require.Equal(t, last.LastBackupResults, health.LastBackupResults)
	})
}

// What of faults 9 to 11 lies below the dashboard is here. On the page itself they are held
// by test/browser: TestCompactionsAndRecoveriesAreShown, TestTextsOfEventsAreTexts,
// TestASlowAnswerHoldsUpNothing and TestEveryTableIsThere.

func TestFault9(t *testing.T) {
	t.Run("the history of compactions and recoveries is there for who asks, also after a restart", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"))
		h.Backup()
		_, err := h.Hub().Compact(t.Context())
		require.NoError(t, err)
		_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		h.Restart()
		require.Len(t, h.Hub().Health(t.Context()).CompactionHistory, 1)
		viewer, err := h.Client(app.Viewer).Events(t.Context(), bus.SubscribeOptions{Since: time.UnixMilli(1)})
		require.NoError(t, err)
		for {
			e, err := viewer.Next(t.Context())
			require.NoError(t, err)
			if e.Type == app.RecoveryComplete {
				break
			}
		}
	})
}

func TestFault10(t *testing.T) {
	t.Run("a reason of any bytes reaches every subscriber and asker as JSON", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.TableProbe("a").On(harness.Flush).Refuse(errors.New("{:badmatch, \"\xff\xfe\x00\"}\u2028"))
		_, err := h.Hub().Backup(t.Context())
		require.Error(t, err)
		e := h.Expect(harness.BackupComplete(""))
		require.Contains(t, string(e.Detail), ":badmatch")
		reply, err := h.Client(app.Viewer).RequestRaw(t.Context(), "hub", "health", nil)
		require.NoError(t, err)
		require.True(t, json.Valid(reply))
		require.Contains(t, string(reply), ":badmatch")
	})
}

func TestFault11(t *testing.T) {
	t.Run("none of thirteen tables is missing from any request", func(t *testing.T) {
		h := harness.New(t, harness.Tables(thirteen()...))
		c := h.Client(app.Admin)
		for _, name := range thirteen() {
			h.Put(name, "k", "v")
			body, err := json.Marshal(map[string]any{"tables": []string{name}})
			require.NoError(t, err)
			for _, request := range []string{"backup", "list", "drill", "compact", "restore", "records.count"} {
				reply, err := c.RequestRaw(t.Context(), "hub", request, body)
				require.NoError(t, err, "%s %s", request, name)
				require.Contains(t, string(reply), `"`+name+`"`, request)
			}
			reply, err := c.RequestRaw(t.Context(), "hub", "verify", body)
			require.NoError(t, err)
			require.Contains(t, string(reply), `"checked":1`)
		}
		reply, err := c.RequestRaw(t.Context(), "hub", "health", nil)
		require.NoError(t, err)
		var health app.Health
		require.NoError(t, json.Unmarshal(reply, &health))
		for _, name := range thirteen() {
			require.Equal(t, app.Serving, tableOf(t, health, name).Status)
			require.NotNil(t, tableOf(t, health, name).LastProvenAt, name)
		}
	})
}

func TestFault11OverHTTP(t *testing.T) {
	t.Run("nor from any route: each of thirteen tables is compacted and restored by its own, and an unknown one is a 404", func(t *testing.T) {
		a := overHTTP(t, thirteen()...)
		a.h.Backup()
		ask := a.ask
		for _, name := range thirteen() { // each role may start so much work a minute
			status, out := ask(app.Operator, "POST", "/api/admin/compact/"+name)
			require.Equal(t, 200, status, out)
			status, out = ask(app.Admin, "POST", "/api/admin/restore/"+name)
			require.Equal(t, 200, status, out)
			require.Equal(t, name, out["table"])
			status, out = ask(app.Viewer, "GET", "/api/admin/snapshots?table="+name)
			require.Equal(t, 200, status, out)
			require.NotEmpty(t, out["snapshots"], name)
		}
		status, out := ask(app.Admin, "POST", "/api/admin/restore/nope")
		require.Equal(t, 404, status)
		require.Equal(t, "unknown_table", out["error"])
		status, out = ask(app.Viewer, "GET", "/api/admin/health")
		require.Equal(t, 200, status)
		require.Len(t, out["tables"], 13)
		status, out = ask(app.Operator, "POST", "/api/admin/backup")
		require.Equal(t, 200, status)
		require.EqualValues(t, 13, out["tables_total"])
		require.EqualValues(t, 13, out["tables_success"])
		require.Len(t, out["results"], 13)
	})
}

func TestFault12(t *testing.T) {
	t.Run("while one table is restored the others serve, and so does it", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		h.Put("a", "k", "backed up")
		h.Backup()
		h.Put("a", "k", "live")
		hold := h.FS.On(harness.OpOpen, "vault/tables/a/*").Hold()
		done := make(chan error, 1)
		go func() {
			_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
			done <- err
		}()
		hold.Wait()
		h.Put("b", "k", "never notices")
		require.Equal(t, "live", h.Get("a", "k"))
		hold.Lift()
		require.NoError(t, <-done)
		require.Equal(t, "backed up", h.Get("a", "k"))
		require.Equal(t, "never notices", h.Get("b", "k"))
	})
	t.Run("tables that belong together are restored to one moment", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a", "b"))
		var at app.Version
		for i := range 6 {
			for _, name := range []string{"a", "b"} {
				v, err := h.Table(name).Put(t.Context(), []byte("n"), []byte{byte('0' + i)})
				require.NoError(t, err)
				if i == 3 {
					at = v
				}
			}
			if i == 1 {
				h.Backup()
			}
		}
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a", "b"}, At: fmt.Sprint(at)})
		require.NoError(t, err)
		require.Equal(t, "3", h.Get("a", "n"))
		require.Equal(t, "3", h.Get("b", "n"))
	})
}

func TestFault13(t *testing.T) {
	t.Run("two runs in one millisecond are two", func(t *testing.T) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(morning), withoutLog())
		h.Put("a", "k", "first")
		first := h.Backup()
		h.Put("a", "k", "second")
		second := h.Backup()
		require.Equal(t, first.CutAt, second.CutAt)
		require.Equal(t, []string{result(t, second, "a").Snapshot, result(t, first, "a").Snapshot}, names(t, h, "a"))
		for _, run := range []app.Run{first, second} {
			_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, Snapshot: run.ID})
			require.NoError(t, err)
			require.Equal(t, map[string]string{first.ID: "first", second.ID: "second"}[run.ID], h.Get("a", "k"))
		}
	})
	t.Run("retention of task leaves task_queue alone, and counts what is there", func(t *testing.T) {
		h := harness.New(t, harness.Tables("task", "task_queue"), withoutLog())
		h.Backup()
		other := names(t, h, "task_queue")
		require.Len(t, other, 1)
		for i := range 5 {
			h.Put("task", "k", string(rune('0'+i)))
			h.Backup("task")
		}
		require.Len(t, names(t, h, "task"), 3)
		require.Equal(t, other, names(t, h, "task_queue"))
		h.Put("task_queue", "k", "v")
		_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"task"}})
		require.NoError(t, err)
		require.Equal(t, "v", h.Get("task_queue", "k"))
	})
}
