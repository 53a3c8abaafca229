package app_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/test/harness"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	harness.Main(leakless{m})
}

// leakless runs the tests and ends the process with what goleak says.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	goleak.VerifyTestMain(l.m)
	return 0
}

func quiet(data string) app.Config {
	return app.Config{Data: data, Logger: slog.New(slog.DiscardHandler), MinFree: -1}
}

func open(t *testing.T, cfg app.Config) *app.Hub {
	t.Helper()
	h, err := app.Open(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = h.Close(ctx) // a test that cares has closed it itself
	})
	return h
}

func shut(t *testing.T, h *app.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, h.Close(ctx))
}

func table(t *testing.T, h *app.Hub, name string) *app.Table {
	t.Helper()
	tb, err := h.Table(name)
	require.NoError(t, err)
	return tb
}

// follow returns the hub's events from now on, one a call.
func follow(t *testing.T, h *app.Hub) (next func() app.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	pull, stop := iter.Pull2(h.Events(ctx, time.Time{}))
	t.Cleanup(func() { stop(); cancel() })
	return func() app.Event {
		t.Helper()
		e, err, more := pull()
		require.NoError(t, err)
		require.True(t, more, "no more events come")
		return e
	}
}

// expect waits for an event of the type.
func expect(t *testing.T, next func() app.Event, typ app.EventType) app.Event {
	t.Helper()
	for {
		if e := next(); e.Type == typ {
			return e
		}
	}
}

func TestTheZeroConfigIsAWorkingHub(t *testing.T) {
	ctx := context.Background()
	data := filepath.Join(t.TempDir(), "data")
	h := open(t, quiet(data))
	require.Equal(t, app.DefaultTables(), h.Tables())
	require.NotEmpty(t, h.NATSURL())
	require.Empty(t, h.HTTPURL())
	next := follow(t, h)

	tasks := app.JSON[map[string]int](table(t, h, "task_queue"))
	v, err := tasks.Create(ctx, "task-1", map[string]int{"n": 1})
	require.NoError(t, err)
	_, err = tasks.Create(ctx, "task-1", map[string]int{"n": 2})
	require.ErrorIs(t, err, app.ErrConflict)
	_, err = tasks.Replace(ctx, "task-1", map[string]int{"n": 2}, v)
	require.NoError(t, err)

	run, err := h.Backup(ctx)
	require.NoError(t, err)
	require.Equal(t, 9, run.TablesSuccess)
	got, err := app.Decode[app.Run](expect(t, next, app.BackupComplete))
	require.NoError(t, err)
	require.Equal(t, run.ID, got.ID)
	require.Equal(t, run.TablesBackedUp, got.TablesBackedUp)

	drill, err := h.Drill(ctx)
	require.NoError(t, err)
	require.Equal(t, app.StatusOK, drill.Status)
	require.Len(t, drill.Proven, 9)
	report, err := h.Verify(ctx)
	require.NoError(t, err)
	require.Equal(t, app.StatusOK, report.Status, report.Problems)

	info, err := os.Stat(filepath.Join(data, "credentials.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	shut(t, h)
	require.NoFileExists(t, filepath.Join(data, "hub.json"))

	again := open(t, quiet(data))
	value, _, err := app.JSON[map[string]int](table(t, again, "task_queue")).Get(ctx, "task-1")
	require.NoError(t, err)
	require.Equal(t, 2, value["n"])
	require.NotNil(t, again.Health(ctx).LastBackupAt, "the last backup is remembered")
}

func TestASecondHubIsRefused(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := open(t, quiet(data))
	_, err := app.Open(context.Background(), quiet(data))
	require.ErrorIs(t, err, app.ErrRunning)
	p, ok, err := remote.Find(data)
	require.NoError(t, err)
	require.True(t, ok, "hub.json is still there")
	require.Equal(t, h.NATSURL(), p.NATSURL)
}

func TestALostTableIsUnavailableUntilRestored(t *testing.T) {
	ctx := context.Background()
	data := filepath.Join(t.TempDir(), "data")
	h := open(t, quiet(data))
	_, err := table(t, h, "task_queue").Put(ctx, []byte("k"), []byte("v"))
	require.NoError(t, err)
	_, err = h.Backup(ctx)
	require.NoError(t, err)
	shut(t, h)
	require.NoError(t, os.RemoveAll(filepath.Join(data, "tables", "task_queue")))

	h = open(t, quiet(data))
	_, err = table(t, h, "task_queue").Get(ctx, []byte("k"))
	require.ErrorIs(t, err, app.ErrUnavailable)
	require.ErrorIs(t, err, app.ErrLost)
	require.Equal(t, app.HealthUnhealthy, h.Health(ctx).Status)
	_, err = h.Backup(ctx)
	var partial *app.RunError
	require.ErrorAs(t, err, &partial)
	out, err := h.Restore(ctx, app.RestoreRequest{Tables: []string{"task_queue"}})
	require.NoError(t, err)
	require.Equal(t, app.StatusRestored, out.Status)
	rec, err := table(t, h, "task_queue").Get(ctx, []byte("k"))
	require.NoError(t, err)
	require.Equal(t, "v", string(rec.Value))
}

func TestRestoreElsewhereIsADataDirectory(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	h := open(t, quiet(filepath.Join(dir, "data")))
	_, err := table(t, h, "task_queue").Put(ctx, []byte("k"), []byte("v"))
	require.NoError(t, err)
	_, err = h.Backup(ctx)
	require.NoError(t, err)
	to := filepath.Join(dir, "copy")
	out, err := h.Restore(ctx, app.RestoreRequest{Tables: []string{"task_queue", "agent_mailbox"}, To: to})
	require.NoError(t, err)
	require.Equal(t, app.StatusRestored, out.Status)
	c := open(t, quiet(to))
	require.Equal(t, []string{"task_queue", "agent_mailbox"}, c.Tables())
	rec, err := table(t, c, "task_queue").Get(ctx, []byte("k"))
	require.NoError(t, err)
	require.Equal(t, "v", string(rec.Value))
}

// Open and Close from many goroutines, in any order, end with everything closed.
func TestCloseFromEverywhere(t *testing.T) {
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, _ = table(t, h, "task_queue").Put(context.Background(), fmt.Append(nil, i), nil)
			_, _ = h.Backup(context.Background())
		})
		wg.Go(func() { shut(t, h) })
	}
	wg.Wait()
	_, err := h.Verify(context.Background())
	require.ErrorIs(t, err, app.ErrClosed)
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []app.Config{{}, {Data: "x", Tables: []string{"../x"}}, {Data: "x", Name: "A"}, {Data: "x", Schedule: "now and then"}, {Data: "x", Keep: -1}, {Data: "x", Tables: []string{"a", "a"}},
		{Data: "x", Name: "hub", NATS: &app.Conn{}, Subjects: []app.Subject{{Name: "mine.>"}}}} {
		_, err := app.Open(context.Background(), cfg)
		require.Error(t, err)
	}
	_, err := app.Open(context.Background(), app.Config{Data: "x", Subjects: []app.Subject{{Name: "backups.mine"}}})
	require.ErrorIs(t, err, app.ErrInvalid)
	var wrong *app.SubjectError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "backups.mine", wrong.Subject)
	require.NoDirExists(t, "x")
}

func TestImportNamesTheWrongLineAndImportsNothing(t *testing.T) {
	ctx := context.Background()
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	good := `{"table":"task_queue","key":"k","value":{"a": 1}}` + "\n"
	for _, bad := range []string{`{`, `{"table":"task_queue","key":"k"}`, `{"table":"nope","key":"k","value":1}`, `{"table":"../x","key":"k","value":1}`, `{"table":"task_queue","key":"k","value":1,"extra":2}`, `{"table":"task_queue","key":"k","value":1} x`, `{"table":"task_queue","key":"","value":1}`} {
		_, err := remote.Import(ctx, h, []byte(good+bad+"\n"))
		var wrong *remote.LineError
		require.ErrorAs(t, err, &wrong, bad)
		require.Equal(t, 2, wrong.Line)
	}
	n, err := table(t, h, "task_queue").Count(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = remote.Import(ctx, h, []byte(good))
	require.NoError(t, err)
	rec, err := table(t, h, "task_queue").Get(ctx, []byte("k"))
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(rec.Value))
}

// What a hub was told once need not be said again: its name, its vault, its tables.
func TestADataDirectoryKnowsItsHub(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	cfg := quiet(filepath.Join(dir, "data"))
	cfg.Name, cfg.Vault, cfg.Tables = "other", filepath.Join(dir, "elsewhere"), []string{"a"}
	h := open(t, cfg)
	run, err := h.Backup(ctx)
	require.NoError(t, err)
	shut(t, h)
	again := quiet(filepath.Join(dir, "data"))
	again.Offline = true
	h = open(t, again)
	require.Equal(t, "other", h.Name())
	require.Equal(t, []string{"a"}, h.Tables())
	got, err := h.Run(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, cfg.Vault, got.BackupDir)
}

// A table that is lost at the start is restored by the first thing that is asked:
// no backup has to come before.
func TestRestoreRightAfterAStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	data := filepath.Join(t.TempDir(), "data")
	h := open(t, quiet(data))
	_, err := table(t, h, "task_queue").Put(ctx, []byte("k"), []byte("v"))
	require.NoError(t, err)
	_, err = h.Backup(ctx)
	require.NoError(t, err)
	shut(t, h)
	require.NoError(t, os.RemoveAll(filepath.Join(data, "tables", "task_queue")))
	h = open(t, quiet(data))
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"task_queue"}})
	require.NoError(t, err)
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"task_queue"}, Snapshot: "none"})
	var failed *app.FailedError
	require.ErrorAs(t, err, &failed)
}

// A close that cannot finish keeps the directory: nobody opens its stores beside it.
func TestACloseThatRunsOutOfTimeKeepsTheLock(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	others := goleak.IgnoreCurrent()
	defer func() { // the close goes on behind, and needs the directory until it has ended
		for end := time.Now().Add(time.Minute); goleak.Find(others) != nil; {
			require.True(t, time.Now().Before(end), "the close never ended")
		}
	}()
	h := open(t, quiet(data))
	tb := table(t, h, "task_queue")
	for i := range 3 {
		_, err := tb.Put(context.Background(), fmt.Append(nil, i), nil)
		require.NoError(t, err)
	}
	for _, err := range tb.Scan(context.Background(), app.Range{}) { // holds the store
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		require.Error(t, h.Close(ctx))
		cancel()
		_, err := app.Open(context.Background(), quiet(data))
		require.ErrorIs(t, err, app.ErrRunning)
		break
	}
}

func TestAFenceNeedsAVersion(t *testing.T) {
	h := open(t, quiet(filepath.Join(t.TempDir(), "data")))
	_, err := table(t, h, "task_queue").Replace(context.Background(), []byte("k"), nil, 0)
	require.ErrorIs(t, err, app.ErrInvalid)
	for _, ask := range []func() error{
		func() error { _, err := h.List(context.Background(), "nope"); return err },
		func() error { _, err := h.Drill(context.Background(), "nope"); return err },
		func() error { _, err := h.Verify(context.Background(), "nope"); return err },
		func() error { _, err := h.Backup(context.Background(), "nope"); return err },
	} {
		require.ErrorIs(t, ask(), app.ErrUnknownTable)
	}
}
