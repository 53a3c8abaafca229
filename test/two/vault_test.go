package two

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// shared is a hub with data of its own and a vault that it shares.
func shared(t *testing.T, name, data, vault string) (*app.Hub, error) {
	c := config(data)
	c.Name, c.Vault = name, vault
	h, err := app.Open(t.Context(), c)
	if err == nil {
		t.Cleanup(func() { _ = h.Close(context.Background()) }) // t.Context() has ended by then
	}
	return h, err
}

func put(t *testing.T, h *app.Hub, key string) {
	t.Helper()
	a, err := h.Table("a")
	require.NoError(t, err)
	_, err = a.Put(t.Context(), []byte(key), []byte(key))
	require.NoError(t, err)
}

// keys are what a table holds; reading it ends by comparing it with its ledger.
func keys(t *testing.T, h *app.Hub, table string) (found []string) {
	t.Helper()
	tb, err := h.Table(table)
	require.NoError(t, err)
	for r, err := range tb.Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		found = append(found, string(r.Key))
	}
	return found
}

func sound(t *testing.T, h *app.Hub) {
	t.Helper()
	report, err := h.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
}

// A second live owner of a vault is refused, and the first never notices. When it has
// gone, a hub of its name may go on with the vault: there its tables are to be restored,
// never silently empty.
func TestTwoHubsOnOneVault(t *testing.T) {
	dir := t.TempDir()
	vault := filepath.Join(dir, "vault")
	first, err := shared(t, "hub", filepath.Join(dir, "one"), vault)
	require.NoError(t, err)
	put(t, first, "k1")
	_, err = first.Backup(t.Context())
	require.NoError(t, err)

	_, err = shared(t, "hub", filepath.Join(dir, "two"), vault)
	require.ErrorIs(t, err, app.ErrVaultInUse)
	_, err = shared(t, "other", filepath.Join(dir, "three"), vault)
	require.ErrorIs(t, err, app.ErrVaultForeign)
	put(t, first, "k2")
	_, err = first.Backup(t.Context())
	require.NoError(t, err)
	sound(t, first)
	require.NoError(t, first.Close(t.Context()))

	second, err := shared(t, "hub", filepath.Join(dir, "two"), vault)
	require.NoError(t, err)
	a, err := second.Table("a")
	require.NoError(t, err)
	_, err = a.Get(t.Context(), []byte("k1"))
	require.ErrorIs(t, err, app.ErrLost)
	_, err = a.Put(t.Context(), []byte("k"), nil)
	require.ErrorIs(t, err, app.ErrUnavailable)
	_, err = shared(t, "hub", filepath.Join(dir, "one"), vault)
	require.ErrorIs(t, err, app.ErrVaultInUse)
	_, err = second.Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.NoError(t, err)
	require.Equal(t, []string{"k1", "k2"}, keys(t, second, "a"))
	put(t, second, "k3")
	_, err = second.Backup(t.Context())
	require.NoError(t, err)
	sound(t, second)
}

// Where the hub that had the vault before comes back with commits that the vault never
// got, and another one has gone on with the vault meanwhile, neither past gets into the
// other, and none is thrown away: the table is unavailable, whatever heals by itself, and
// a person says which past is to count.
func TestTwoPastsOfOneTable(t *testing.T) {
	dir := t.TempDir()
	one, vault := filepath.Join(dir, "one"), filepath.Join(dir, "vault")
	h := fork(t, dir, one, vault)
	a, err := h.Table("a")
	require.NoError(t, err)
	_, err = a.Get(t.Context(), []byte("both-1"))
	require.ErrorIs(t, err, app.ErrUnavailable)
	require.ErrorIs(t, err, storage.ErrForked)
	require.NotErrorIs(t, err, app.ErrDamaged, "else it would be healed, and acknowledged writes of the one past be gone")
	require.ErrorContains(t, err, "--at latest")
	run, err := h.Backup(t.Context())
	require.Error(t, err)
	require.Equal(t, []string{"b"}, run.TablesBackedUp, "the other table is as ever")
	sound(t, h)

	out, err := h.Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
	require.NoError(t, err)
	require.Equal(t, []string{"both-0", "both-1", "both-2", "second-1", "second-2"}, keys(t, h, "a"))
	require.DirExists(t, out.Results[0].ReplacedDir)
	put(t, h, "after")
	_, err = h.Backup(t.Context())
	require.NoError(t, err)
	sound(t, h)
	require.NoError(t, h.Close(t.Context()))

	// The past that did not count is kept whole.
	s, err := storage.Open(out.Results[0].ReplacedDir, "a", storage.Options{Logger: slog.New(slog.DiscardHandler), MinFree: -1})
	require.NoError(t, err)
	require.EqualValues(t, 4, s.Ledger().Records)
	require.NoError(t, s.Close(t.Context()))
}

// The store's past may count as well: with a vault of its own the hub goes on with it.
func TestAForkedHubGoesOnWithAVaultOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	one := filepath.Join(dir, "one")
	require.NoError(t, fork(t, dir, one, filepath.Join(dir, "vault")).Close(t.Context()))
	h, err := shared(t, "hub", one, filepath.Join(dir, "own"))
	require.NoError(t, err)
	require.Equal(t, []string{"both-0", "both-1", "both-2", "first"}, keys(t, h, "a"))
	_, err = h.Backup(t.Context())
	require.NoError(t, err)
	sound(t, h)
}

// fork opens a hub of which the vault has not all, after another has used the vault.
func fork(t *testing.T, dir, one, vault string) *app.Hub {
	first, err := shared(t, "hub", one, vault)
	require.NoError(t, err)
	for i := range 3 {
		put(t, first, fmt.Sprintf("both-%d", i))
	}
	require.NoError(t, first.Close(t.Context())) // ships all
	c := config(one)
	c.Vault, c.LogInterval = vault, -1 // nothing of this gets into the vault, as with a kill
	first, err = app.Open(t.Context(), c)
	require.NoError(t, err)
	put(t, first, "first")
	require.NoError(t, first.Close(t.Context()))

	second, err := shared(t, "hub", filepath.Join(dir, "two"), vault)
	require.NoError(t, err)
	_, err = second.Restore(t.Context(), app.RestoreRequest{All: true, At: app.Latest})
	require.NoError(t, err)
	put(t, second, "second-1")
	put(t, second, "second-2")
	_, err = second.Backup(t.Context())
	require.NoError(t, err)
	require.NoError(t, second.Close(t.Context()))

	c = config(one)
	c.Vault, c.Offline = vault, false // with all that heals by itself
	h, err := app.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}
