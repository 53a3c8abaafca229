package opens

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/extent"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// A table that ends every process that opens it, within the open or soon after, comes up
// unavailable after some deaths, and all others serve. They were never blamed.
func TestATableThatEndsTheProcess(t *testing.T) {
	for i, after := range []time.Duration{0, 30 * time.Millisecond} {
		for _, victim := range extent.Of([]string{"hurt", "two"}, 2, i) { // whatever its place
			t.Run(fmt.Sprintf("%s after %v", victim, after), func(t *testing.T) {
				dir, deaths := filled(t), 0
				for ; !start(t, order{Dir: dir, Table: victim, After: after}, time.Second); deaths++ {
					require.Less(t, deaths, 12, "it dies for ever")
				}
				t.Logf("%d deaths", deaths)
				require.GreaterOrEqual(t, deaths, 3)
				for range 2 { // it stays so
					h := open(t, config(dir))
					for _, name := range tables {
						v, err := get(h, name, "k")
						if name != victim {
							require.NoError(t, err)
							require.Equal(t, "v", v)
							continue
						}
						require.ErrorIs(t, err, app.ErrUnavailable)
						require.ErrorIs(t, err, app.ErrDamaged)
						require.ErrorContains(t, err, "died 3 times while it was opened")
						var damage *app.DamageError
						require.ErrorAs(t, err, &damage)
						require.Equal(t, victim, damage.Table)
						require.DirExists(t, damage.File)
					}
					require.NoError(t, h.Close(ctx))
				}
			})
		}
	}
}

// With a backup it is rebuilt, and its next open is nobody's suspicion.
func TestATableThatEndsTheProcessIsHealed(t *testing.T) {
	dir := filled(t)
	h := open(t, config(dir))
	_, err := h.Backup(ctx)
	require.NoError(t, err)
	require.NoError(t, h.Close(ctx))
	for range 4 {
		require.False(t, start(t, order{Dir: dir, Table: "hurt"}, time.Second))
	}
	x := harness.New(t, harness.Tables(tables...), harness.InDir(filepath.Dir(dir)), noLog)
	x.Expect(harness.CorruptionDetected("hurt"), harness.RecoveryComplete("hurt"))
	x.AwaitServing("hurt")
	require.Equal(t, "v", x.Get("hurt", "k"))
	x.Stop()
	require.NoFileExists(t, filepath.Join(dir, "tables", "hurt", "opening.json"))
	require.True(t, start(t, order{Dir: dir}, 0))
}

// Whoever kills hubs while they start, at whatever moment, makes no table bad.
func TestKilledWhileItStarts(t *testing.T) {
	dir := filled(t)
	for i := range extent.Few(6, 12) {
		require.False(t, start(t, order{Dir: dir, Table: tables[i%len(tables)]}, time.Second))
	}
	for i := range extent.Few(3, 6) {
		require.False(t, start(t, order{Dir: dir, Table: tables[i%len(tables)], After: time.Duration(i) * 20 * time.Millisecond}, time.Second))
	}
	require.True(t, start(t, order{Dir: dir}, 0))
	notes, err := filepath.Glob(filepath.Join(dir, "tables", "*", "opening.json"))
	require.NoError(t, err)
	require.Empty(t, notes, "a good end leaves none")
	h := open(t, config(dir))
	for _, name := range tables {
		v, err := get(h, name, "k")
		require.NoError(t, err)
		require.Equal(t, "v", v)
	}
}

// On a full disk Badger ends the process. That is no damage: the table waits for space.
func TestAFullDiskIsNoDamage(t *testing.T) {
	dir := filled(t)
	for range 3 {
		require.False(t, start(t, order{Dir: dir, Table: "hurt"}, time.Second))
	}
	c := config(dir)
	c.MinFree = 1 << 62
	h := open(t, c)
	_, err := get(h, "hurt", "k")
	require.ErrorIs(t, err, app.ErrNoSpace)
	require.NotErrorIs(t, err, app.ErrDamaged)
	require.NoError(t, h.Close(ctx))
	require.True(t, start(t, order{Dir: dir}, 0))
}
