// Package review has what a reader of the code found to go wrong, each as a test that
// failed once.
package review

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func cfg(data, vault string) app.Config {
	return app.Config{Data: data, Vault: vault, Tables: []string{"a", "b"}, Offline: true, Keep: 2,
		Wall: clock, Logger: slog.New(slog.DiscardHandler)}
}

// clock is everybody's: time passes when a test says so.
var clock = clockwork.NewFakeClockAt(time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC))

func open(t *testing.T, c app.Config) *app.Hub {
	h, err := app.Open(ctx, c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close(ctx) })
	return h
}

func shut(t *testing.T, h *app.Hub) { require.NoError(t, h.Close(ctx)) }

func put(t *testing.T, h *app.Hub, table, k, v string) {
	tb, err := h.Table(table)
	require.NoError(t, err)
	_, err = tb.Put(ctx, []byte(k), []byte(v))
	require.NoError(t, err)
}

func has(t *testing.T, h *app.Hub, table, k string) error {
	tb, err := h.Table(table)
	require.NoError(t, err)
	_, err = tb.Get(ctx, []byte(k))
	return err
}

func blob(t *testing.T, h *app.Hub, table string, n int) {
	rng := rand.NewChaCha8([32]byte{byte(n)})
	for i := range n {
		b := make([]byte, 20<<10)
		_, _ = rng.Read(b)
		put(t, h, table, string(rune('A'+i%26))+string(rune('A'+i/26)), string(b))
	}
}

// A table that is in the change log only (never backed up) must not come up empty when the data directory is lost.
func TestLostTableKnownToTheLogOnly(t *testing.T) {
	dir := t.TempDir()
	c := cfg(filepath.Join(dir, "data"), filepath.Join(dir, "vault"))
	h := open(t, c)
	put(t, h, "a", "k", "v")
	shut(t, h)
	require.NoError(t, os.RemoveAll(c.Data))
	h = open(t, c)
	err := has(t, h, "a", "k")
	require.ErrorIs(t, err, app.ErrUnavailable, "the table must be unavailable, never silently empty")
}

// A listed snapshot must be restorable: one on a base, with a restore of an older snapshot between.
func TestChainAcrossARestore(t *testing.T) {
	dir := t.TempDir()
	c := cfg(filepath.Join(dir, "data"), filepath.Join(dir, "vault"))
	c.LogWindow, c.LogInterval = time.Second, time.Hour
	h := open(t, c)
	put(t, h, "a", "old", "v")
	r0, err := h.Backup(ctx, "a")
	require.NoError(t, err)
	blob(t, h, "a", 400)
	_, err = h.Backup(ctx, "b") // ships what a has
	require.NoError(t, err)
	_, err = h.Backup(ctx, "a")
	require.NoError(t, err)
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"a"}, Snapshot: r0.ID})
	require.NoError(t, err)
	for range 4 {
		put(t, h, "a", "new", "v")
		put(t, h, "b", "new", "v")
		clock.Advance(700 * time.Millisecond)
		_, err = h.Backup(ctx)
		require.NoError(t, err)
	}
	l, err := h.List(ctx, "a")
	require.NoError(t, err)
	for _, s := range l.Snapshots {
		t.Log("listed", s.Name, "base", s.Base, s.Records)
	}
	t.Log("problems", l.Problems, "ranges", l.Ranges)
	for _, s := range l.Snapshots {
		_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"a"}, Snapshot: s.Name, DryRun: false, To: filepath.Join(dir, "to-"+s.Run)})
		if err != nil {
			t.Errorf("listed snapshot %s cannot be restored: %v", s.Name, err)
		}
	}
	for _, r := range l.Ranges {
		for _, at := range []app.Version{r.From, r.From + (r.To-r.From)/2, r.To} {
			p, err := h.TableAt(ctx, "a", itoa(at))
			if err != nil {
				t.Errorf("listed range %d-%d: %v", r.From, r.To, err)
				continue
			}
			p.Close()
		}
	}
}

func itoa(v app.Version) string { return strconv.FormatUint(uint64(v), 10) }

// Retention must not remove the base of a snapshot that is in use.
func TestRetentionOfABaseWhoseChainIsHeld(t *testing.T) {
	dir := t.TempDir()
	c := cfg(filepath.Join(dir, "data"), filepath.Join(dir, "vault"))
	c.Keep = 10
	h := open(t, c)
	blob(t, h, "a", 400)
	_, err := h.Backup(ctx, "a")
	require.NoError(t, err)
	put(t, h, "a", "x", "y")
	_, err = h.Backup(ctx, "a")
	require.NoError(t, err)
	blob(t, h, "a", 401)
	_, err = h.Backup(ctx, "a")
	require.NoError(t, err)
	shut(t, h)
	v, err := vault.Open(disk.OS, c.Vault, vault.Owner{Hub: "hub", ID: "other"}, vault.Options{})
	require.NoError(t, err)
	defer v.Close()
	l, err := v.List("a")
	require.NoError(t, err)
	require.Len(t, l.Snapshots, 3)
	require.Equal(t, l.Snapshots[2].Name, l.Snapshots[1].Base)
	release, err := v.Hold("a", l.Snapshots[1].Name)
	require.NoError(t, err)
	removed, err := v.Retain(ctx, "a", 1, 0)
	require.NoError(t, err)
	t.Log("removed", removed)
	_, err = v.BuildStore(ctx, "a", l.Snapshots[1].Name, filepath.Join(dir, "out"), nil)
	if err != nil {
		t.Errorf("the held snapshot: %v", err)
	}
	release()
	_, err = v.Retain(ctx, "a", 1, 0)
	require.NoError(t, err)
	l, err = v.List("a")
	require.NoError(t, err)
	require.Empty(t, l.Problems, "damage that retention made")
}

// restore --at T --to DIR, then serve DIR with the same vault: the state of T.
func TestRestoreElsewhereServedWithTheSameVault(t *testing.T) {
	dir := t.TempDir()
	c := cfg(filepath.Join(dir, "data"), filepath.Join(dir, "vault"))
	h := open(t, c)
	put(t, h, "a", "good", "v")
	_, err := h.Backup(ctx, "a")
	require.NoError(t, err)
	clock.Advance(5 * time.Millisecond)
	at := clock.Now()
	clock.Advance(5 * time.Millisecond)
	tb, _ := h.Table("a")
	_, err = tb.Delete(ctx, []byte("good"))
	require.NoError(t, err)
	to := filepath.Join(dir, "new")
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"a"}, At: at.Format(time.RFC3339Nano), To: to})
	require.NoError(t, err)
	shut(t, h)
	c.Data = to
	c.Tables = []string{"a"}
	h = open(t, c)
	require.NoError(t, has(t, h, "a", "good"), "the restore was undone by the change log")
}

// The tail of a table that is not served, which only the log has, must outlive the window.
func TestTailOfATableThatIsNotServed(t *testing.T) {
	dir := t.TempDir()
	c := cfg(filepath.Join(dir, "data"), filepath.Join(dir, "vault"))
	c.LogWindow = time.Second
	h := open(t, c)
	put(t, h, "b", "one", "v")
	_, err := h.Backup(ctx)
	require.NoError(t, err)
	put(t, h, "b", "two", "v")
	shut(t, h)
	require.NoError(t, os.RemoveAll(filepath.Join(c.Data, "tables", "b"))) // its disk dies: unavailable
	h = open(t, c)
	require.ErrorIs(t, has(t, h, "b", "two"), app.ErrUnavailable)
	for range 4 {
		put(t, h, "a", "k", "v")
		clock.Advance(700 * time.Millisecond)
		_, _ = h.Backup(ctx)
	}
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"b"}, At: app.Latest})
	if err != nil {
		t.Error(err)
		_, err = h.Restore(ctx, app.RestoreRequest{Tables: []string{"b"}})
		require.NoError(t, err)
	}
	require.NoError(t, has(t, h, "b", "two"), "an acknowledged write, shipped to the vault, is gone")
}
