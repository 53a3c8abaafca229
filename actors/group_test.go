package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

// rig is a group of actors on real stores and a real vault.
type rig struct {
	*Group
	t     *testing.T
	dir   string
	cfg   Config
	mu    sync.Mutex
	said  []bus.EventType
	heard chan bus.EventType
}

func newRig(t *testing.T, change func(*Config), tables ...string) *rig {
	r := &rig{t: t, dir: t.TempDir(), heard: make(chan bus.EventType, 1000)}
	r.start(change, tables...)
	return r
}

func (r *rig) start(change func(*Config), tables ...string) {
	r.t.Helper()
	clock, err := storage.OpenClock(disk.OS, filepath.Join(r.dir, "clock"), time.Now)
	require.NoError(r.t, err)
	v, err := vault.Open(disk.OS, filepath.Join(r.dir, "vault"), vault.Owner{Hub: "hub", ID: "id"}, vault.Options{})
	require.NoError(r.t, err)
	log := slog.New(slog.DiscardHandler)
	r.cfg = Config{System: NewSystem(log), Logger: log, Wall: clockwork.NewRealClock(), FS: disk.OS, Clock: clock, Vault: v, Hub: "hub",
		Store:   storage.Options{MinFree: -1, Logger: log, Now: clock.Now},
		LastRun: time.Now(),
		Publish: func(e bus.EventType, _ any) {
			r.mu.Lock()
			r.said = append(r.said, e)
			r.mu.Unlock()
			r.heard <- e
		},
		Progress: func(bus.Progress) {}}
	for _, name := range tables {
		r.cfg.Tables = append(r.cfg.Tables, TableConfig{Name: name, Dir: filepath.Join(r.dir, "tables", name), Create: true})
	}
	if change != nil {
		change(&r.cfg)
	}
	r.Group, err = Start(r.cfg)
	require.NoError(r.t, err)
	g := r.Group
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(r.t, g.Close(ctx))
		require.NoError(r.t, clock.Close())
		require.NoError(r.t, v.Close())
	})
	require.NoError(r.t, r.Ready(r.ctx()))
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) table(name string) *TableRef {
	r.t.Helper()
	ref, err := r.Table(name)
	require.NoError(r.t, err)
	return ref
}

func (r *rig) put(table, key, value string) {
	r.t.Helper()
	_, err := r.table(table).Apply(r.ctx(), storage.Batch{{Key: []byte(key), Value: []byte(value)}})
	require.NoError(r.t, err)
}

func (r *rig) get(table, key string) string {
	r.t.Helper()
	rec, err := r.table(table).Get([]byte(key))
	require.NoError(r.t, err)
	return string(rec.Value)
}

// expect waits for the event and fails when it does not come.
func (r *rig) expect(want bus.EventType) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e := <-r.heard:
			if e == want {
				return
			}
		case <-deadline:
			r.t.Fatalf("no %s came", want)
		}
	}
}

func TestWritesOfManyCallersAreGrouped(t *testing.T) {
	r := newRig(t, nil, "a")
	const writers, each = 32, 20
	var wg sync.WaitGroup
	versions := make([]storage.Version, writers*each)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				v, err := r.table("a").Apply(context.Background(), storage.Batch{{Key: fmt.Append(nil, n), Value: fmt.Append(nil, n)}})
				if err != nil {
					t.Error(err)
				}
				versions[n] = v
			}
		})
	}
	wg.Wait()
	l, err := r.table("a").Lease()
	require.NoError(t, err)
	defer l.Release()
	require.EqualValues(t, writers*each, l.Ledger.Records)
	require.Less(t, l.Ledger.Commits, uint64(writers*each), "commits were shared")
	for n, v := range versions {
		rec, err := l.Get(fmt.Append(nil, n))
		require.NoError(t, err)
		require.Equal(t, v, rec.Version)
	}
}

// A second write of a key waits for the next commit, so versions tell them apart
// and exactly one of many creators wins.
func TestConcurrentWritesOfOneKey(t *testing.T) {
	r := newRig(t, nil, "a")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won, seen := 0, map[storage.Version]bool{}
	for i := range 50 {
		wg.Go(func() {
			_, err := r.table("a").Apply(context.Background(), storage.Batch{{Key: []byte("lock"), Value: []byte("x"), IfAbsent: true}})
			v, err2 := r.table("a").Apply(context.Background(), storage.Batch{{Key: []byte("hot"), Value: fmt.Append(nil, i)}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Error(err)
			}
			if err2 != nil || seen[v] {
				t.Errorf("version %d given twice (%v)", v, err2)
			}
			seen[v] = true
		})
	}
	wg.Wait()
	require.Equal(t, 1, won)
}

func TestBackupRestoreAndCompact(t *testing.T) {
	r := newRig(t, nil, "a", "b")
	for i := range 200 {
		r.put("a", fmt.Sprint(i), "first")
	}
	r.put("b", "k", "v")
	run, err := r.Backup().Backup(r.ctx(), TriggerAPI)
	require.NoError(t, err)
	require.Equal(t, vault.StatusComplete, run.Status)
	require.Equal(t, []string{"a", "b"}, run.TablesBackedUp)
	r.expect(bus.BackupStarted)
	r.expect(bus.BackupComplete)

	r.put("a", "0", "second")
	r.put("a", "new", "second")
	build := func(ctx context.Context, dir string) error {
		_, err := r.cfg.Vault.BuildStore(ctx, "a", vault.SnapshotName(run.Cut, run.ID), dir, nil)
		return err
	}
	done, err := r.table("a").Restore(r.ctx(), 1, build)
	require.NoError(t, err)
	require.EqualValues(t, 200, done.Records)
	require.EqualValues(t, 2, done.Later)
	require.DirExists(t, done.ReplacedDir)
	require.Equal(t, "first", r.get("a", "0"))
	_, err = r.table("a").Get([]byte("new"))
	require.ErrorIs(t, err, storage.ErrNotFound)
	r.put("a", "after", "restore")

	for i := range 150 {
		_, err := r.table("a").Apply(r.ctx(), storage.Batch{{Key: fmt.Append(nil, i), Delete: true}})
		require.NoError(t, err)
	}
	before, after, err := r.table("a").Compact(r.ctx())
	require.NoError(t, err)
	require.Greater(t, before.Fragmentation, 0.3)
	require.Zero(t, after.Fragmentation)
	require.Equal(t, before.Records, after.Records)
	require.Equal(t, "restore", r.get("a", "after"))
	r.put("a", "and", "on")
}

func TestAFailedRestoreLeavesTheTableServing(t *testing.T) {
	r := newRig(t, nil, "a")
	r.put("a", "k", "v")
	broken := errors.New("broken")
	_, err := r.table("a").Restore(r.ctx(), 1, func(context.Context, string) error { return broken })
	require.ErrorIs(t, err, broken)
	require.Equal(t, "v", r.get("a", "k"))
	r.put("a", "k", "w")
	require.Equal(t, Serving, r.table("a").Status().State)
}

func TestACrashingTableComesBack(t *testing.T) {
	r := newRig(t, nil, "a", "b")
	r.put("a", "k", "v")
	a := r.table("a")
	// An excuse for a cut that does not exist is handled; a nil batch pointer is not.
	for range 3 {
		a.t.send((*foundDueMsg)(nil))
	}
	r.put("b", "k", "v")
	require.Eventually(t, func() bool {
		_, err := a.Apply(r.ctx(), storage.Batch{{Key: []byte("after"), Value: []byte("crash")}})
		if err != nil {
			require.ErrorIs(t, err, storage.ErrUnavailable)
		}
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, "v", r.get("a", "k"))
}

func TestAMissingTableIsReportedAndTheOthersAreBackedUp(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Tables[1].Create = false }, "a", "lost")
	r.put("a", "k", "v")
	_, err := r.table("lost").Get([]byte("k"))
	require.ErrorIs(t, err, storage.ErrUnavailable)
	require.ErrorIs(t, err, storage.ErrLost)
	run, err := r.Backup().Backup(r.ctx(), TriggerAPI)
	var partial *RunError
	require.ErrorAs(t, err, &partial)
	require.Equal(t, vault.StatusPartial, run.Status)
	require.Equal(t, []string{"a"}, run.TablesBackedUp)
	require.Equal(t, []string{"lost"}, run.TablesFailed)
	r.expect(bus.BackupComplete)

	_, err = r.Backup().Backup(r.ctx(), TriggerAPI, "lost")
	require.ErrorAs(t, err, &partial)
	require.Equal(t, vault.StatusFailed, partial.Run.Status)
	r.expect(bus.BackupFailed)
	_, err = r.Backup().Backup(r.ctx(), TriggerAPI, "nope")
	require.ErrorIs(t, err, ErrUnknownTable)
}

func TestManyTriggersShareRuns(t *testing.T) {
	r := newRig(t, nil, "a", "b")
	var wg sync.WaitGroup
	var mu sync.Mutex
	runs := map[string]bool{}
	for i := range 500 {
		wg.Go(func() {
			key := fmt.Append(nil, i)
			v, err := r.table("a").Apply(context.Background(), storage.Batch{{Key: key, Value: key}})
			if err != nil {
				t.Error(err)
			}
			run, err := r.Backup().Backup(context.Background(), TriggerAPI)
			if err != nil || run.Cut < v {
				t.Errorf("cut %d lies before the caller's write %d (%v)", run.Cut, v, err)
			}
			mu.Lock()
			defer mu.Unlock()
			runs[run.ID] = true
		})
	}
	wg.Wait()
	require.Less(t, len(runs), 100)
}

func TestExpiryRemovesByItself(t *testing.T) {
	r := newRig(t, nil, "a")
	_, err := r.table("a").Apply(r.ctx(), storage.Batch{{Key: []byte("k"), Value: []byte("v"), ExpiresAt: time.Now().Add(50 * time.Millisecond)}})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		l, err := r.table("a").Lease()
		require.NoError(t, err)
		defer l.Release()
		return l.Ledger.Records == 0
	}, 10*time.Second, 5*time.Millisecond, "an expired record is deleted, not only hidden")
}

func TestOverloadIsRefused(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Queue = 4 }, "a")
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused, done := 0, 0
	for i := range 200 {
		wg.Go(func() {
			_, err := r.table("a").Apply(context.Background(), storage.Batch{{Key: fmt.Append(nil, i)}})
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrOverloaded) {
				refused++
			} else if err == nil {
				done++
			} else {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Positive(t, refused)
	l, err := r.table("a").Lease()
	require.NoError(t, err)
	defer l.Release()
	require.EqualValues(t, done, l.Ledger.Records)
}

func TestCloseTwiceAndUseAfter(t *testing.T) {
	r := newRig(t, nil, "a")
	r.put("a", "k", "v")
	require.NoError(t, r.Close(r.ctx()))
	require.NoError(t, r.Close(r.ctx()))
	_, err := r.table("a").Apply(r.ctx(), storage.Batch{{Key: []byte("k")}})
	require.ErrorIs(t, err, storage.ErrUnavailable)
	require.ErrorIs(t, err, storage.ErrClosed)
	_, err = r.Backup().Backup(r.ctx(), TriggerAPI)
	require.ErrorIs(t, err, storage.ErrClosed)
}
