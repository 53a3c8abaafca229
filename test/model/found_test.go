package model

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

// What lives have found, each in as few steps as it takes.

func one(t *testing.T, opts ...harness.Option) (*harness.Harness, *app.Table) {
	h := harness.New(t, append([]harness.Option{harness.Tables("a"), harness.Offline()}, opts...)...)
	return h, tableOf(h)
}

func tableOf(h *harness.Harness) *app.Table {
	t, _ := h.Hub().Table("a")
	return t
}

func writeTo(t *testing.T, tb *app.Table, key string) app.Version {
	v, err := tb.Put(t.Context(), []byte(key), []byte("v"))
	require.NoError(t, err)
	return v
}

// A table that was never backed up and whose data directory is lost has a history in
// the change log: it must not begin empty.
func TestLostBeforeTheFirstBackup(t *testing.T) {
	h, tb := one(t)
	writeTo(t, tb, "k")
	h.Stop()
	require.NoError(t, os.RemoveAll(filepath.Join(h.Dir, "data")))
	h.Start()
	_, err := tableOf(h).Count(t.Context())
	require.ErrorIs(t, err, app.ErrUnavailable)
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.NoError(t, err)
	_, err = tableOf(h).Get(t.Context(), []byte("k"))
	require.NoError(t, err)
}

// What a restore put in a table's place, before the log has heard of it, is no past of
// the table that a compaction could begin with.
func TestCompactionAfterARestoreThatIsNotShipped(t *testing.T) {
	h, tb := one(t)
	old := writeTo(t, tb, "k")
	writeTo(t, tb, "l")
	_, err := h.Hub().Backup(t.Context())
	require.NoError(t, err)
	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	writeTo(t, tb, "m")
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: number(old)})
	require.NoError(t, err)
	_, err = h.Hub().Compact(t.Context(), "a")
	require.ErrorContains(t, err, "compaction waits for the change log")
	away.Lift()
}

// Where the wall clock is set back between the vault's making and the first commit,
// the commits are older than the vault. They are its history all the same.
func TestCommitsBeforeTheVaultWasMade(t *testing.T) {
	clock := &wall{FakeClock: clockwork.NewFakeClock()}
	h, tb := one(t, harness.Configure(func(c *app.Config) { c.Wall = clock }))
	clock.off.Store(-int64(time.Hour))
	v := writeTo(t, tb, "k")
	last := writeTo(t, tb, "l")
	for range 20 { // so that segments are merged
		_, err := h.Hub().TableAt(t.Context(), "a", app.Latest)
		require.NoError(t, err)
		last = writeTo(t, tb, "m")
	}
	h.Restart()
	for _, at := range []app.Version{v, last} {
		p, err := h.Hub().TableAt(t.Context(), "a", number(at))
		require.NoError(t, err)
		_, err = p.Get(t.Context(), []byte("k"))
		require.NoError(t, err)
		p.Close()
	}
	list, err := h.Hub().List(t.Context(), "a")
	require.NoError(t, err)
	for _, r := range list.Ranges {
		require.LessOrEqual(t, r.From, r.To)
	}
}

// A table that is closed in order is complete, also where it was the others that wrote
// last: the vault's latest moment is the hub's end.
func TestLatestAfterACleanStop(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Offline())
	tb, err := h.Hub().Table("b")
	require.NoError(t, err)
	v := writeTo(t, tb, "k")
	h.Stop()
	require.NoError(t, os.RemoveAll(filepath.Join(h.Dir, "data")))
	h.Start()
	out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.NoError(t, err)
	require.GreaterOrEqual(t, out.Results[1].Version, v)
	require.EqualValues(t, 1, out.Results[1].Records)
}

// A hub that ended before the backup that closes a break makes it at its next start.
func TestABreakIsClosedByTheNextStart(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Stop()
	file := filepath.Join(h.Dir, "data", "changelog.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"tables":["a","gone"]}`), 0o600))
	h.Start()
	h.Expect(harness.Event(app.BackupComplete))
	h.Stop() // which waits for what comes after the backup
	require.NoFileExists(t, file)
}

// A commit that finds a cut pending, and whose table is excused from that cut before
// the outcome of the commit comes, goes on at once and not with the next backup.
func TestExcusedWhileACommitIsUnderWay(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"), harness.Offline())
	probe := h.TableProbe("a")
	excuse := probe.On(harness.Excuse).Hold()
	_, err := h.Hub().Backup(t.Context(), "b")
	require.NoError(t, err)
	excuse.Wait()
	committed := probe.On(harness.Committed).Hold()
	done := make(chan error, 1)
	go func() {
		_, err := tableOf(h).Put(t.Context(), []byte("k"), []byte("v"))
		done <- err
	}()
	committed.Wait()
	excuse.Lift()
	probe.Await(harness.Excuse)
	committed.Lift()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the write waits for ever")
	}
}

// The backup that closes a break is what the log goes on from: retention leaves it while
// the window has moments behind the break.
func TestWhatClosesABreakStays(t *testing.T) {
	h, tb := one(t, harness.Configure(func(c *app.Config) { c.Keep, c.LogCap = 1, 1 }))
	away := h.FS.On(harness.AnyChange, "vault/log/*").Fail(syscall.EIO)
	writeTo(t, tb, "k")
	_, err := h.Hub().Backup(t.Context()) // the log cannot be written: the tables let go
	require.NoError(t, err)
	away.Lift()
	writeTo(t, tb, "k")
	_, err = h.Hub().Backup(t.Context())
	require.NoError(t, err)
	v := writeTo(t, tb, "k")
	for range 3 {
		_, err = h.Hub().Backup(t.Context())
		require.NoError(t, err)
		writeTo(t, tb, "k")
	}
	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: number(v)})
	require.NoError(t, err)
}
