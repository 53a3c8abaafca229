package vault

import (
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/stretchr/testify/require"
)

func TestWhatATableNeedsOfTheLog(t *testing.T) {
	at := func(days int) storage.Version {
		return storage.VersionAt(epoch.Add(time.Duration(days) * 24 * time.Hour))
	}
	snaps := []Snapshot{{Cut: at(9), baseCut: at(6)}, {Cut: at(6)}, {Cut: at(2)}}
	written := changelog.TableState{Through: at(10), After: storage.Ledger{Commits: 5}}
	idle := changelog.TableState{Through: at(10)}
	gone := changelog.TableState{Through: at(3), After: storage.Ledger{Commits: 5}}
	proof := []Snapshot{{Name: "9", Cut: at(9)}, {Name: "8", Cut: at(8)}, {Name: "7", Cut: at(7)}, {Name: "2", Cut: at(2)}}
	for _, c := range []struct {
		what  string
		snaps []Snapshot
		st    changelog.TableState
		start storage.Version
		want  storage.Version
	}{
		{"from the snapshot below the window", snaps, written, at(3), at(2)},
		{"all, while the window begins before any snapshot", snaps, written, at(1), 0},
		{"what chains need, of a table that is not served any more", snaps, gone, at(3), at(6)},
		{"its last commits, of one without chains", snaps[2:], gone, at(3), at(2)},
		{"all, where nothing else has it", nil, written, at(3), 0},
		{"nothing, of one that was never written", nil, idle, at(3), storage.MaxVersion},
		{"not from a snapshot that only its proof keeps", proof, written, at(8) + 1, at(7)},
		{"from what the window needs", proof[1:], written, at(3), at(2)},
	} {
		require.Equal(t, c.want, needsLog(c.snaps, 3, map[string]bool{}, c.st, c.start), c.what)
	}
	require.Equal(t, at(2), needsLog(proof, 3, map[string]bool{"2": true}, written, at(8)+1), "the window needs it")
}

// What only its proof keeps, the log does not go back to: it would grow for as long as
// nothing newer is proven.
func TestTheLogDoesNotGoBackToAProof(t *testing.T) {
	const window, last = 8 * time.Minute, 40
	v := newTestVault(t)
	v.build = fakeBuild
	for m := range last + 1 {
		backup(t, v, m, records(m%7), "t")
		if m == 1 {
			_, err := v.Drill(t.Context(), "t", nameAt(m), t.TempDir())
			require.NoError(t, err)
		}
		st := changelog.TableState{Table: "t", Through: cutAt(m)}
		_, err := v.Log().Append(t.Context(), changelog.Head{From: v.Log().Through(), To: cutAt(m), Tables: []changelog.TableState{st}}, nil)
		require.NoError(t, err)
		v.now = func() time.Time { return cutAt(m).Time() }
		_, err = v.Retain(t.Context(), "t", 2, window)
		require.NoError(t, err)
		_, err = v.TrimLog(t.Context(), 2, window)
		require.NoError(t, err)
	}
	snaps := listed(t, v, "t")
	require.Equal(t, "t/"+nameAt(1), snaps[len(snaps)-1])
	from := v.Log().Segments()[0].From
	require.LessOrEqual(t, from, cutAt(last-8), "the window is whole")
	require.GreaterOrEqual(t, from, cutAt(last-8-2), "from the newest snapshot of the quarter below it")
	clean(t, v)
}

// restoring lets the change log have restores of table t: at these minutes, to the
// versions. The log begins with a break, so that nothing can be made without a snapshot.
func restoring(t *testing.T, v *Vault, restores ...changelog.Restore) {
	t.Helper()
	st := changelog.TableState{Table: "t", Break: true, Before: storage.Ledger{Version: cutAt(0) - 1, Commits: 1}, Through: cutAt(60)}
	st.After = st.Before
	var commits []changelog.Commit
	for _, r := range restores {
		st.After.Version, st.After.Commits = r.At, st.After.Commits+1
		st.Commits++
		commits = append(commits, changelog.Commit{Table: "t", Commit: storage.Commit{Ledger: st.After, Restored: &r.From}})
	}
	_, err := v.Log().Append(t.Context(), changelog.Head{To: st.Through, Tables: []changelog.TableState{st}}, commits)
	require.NoError(t, err)
}

// What a restore in the window began from stays, whatever other restores there are.
func TestRetainKeepsWhatRestoresBeganFrom(t *testing.T) {
	for _, c := range []struct {
		what     string
		restores []changelog.Restore
		snaps    []int
		want     []int // after retention, newest first
	}{
		{"one that began from it", []changelog.Restore{{From: cutAt(0) + 5, At: cutAt(20)}}, []int{0, 1, 5, 30}, []int{30, 5, 0}},
		{"beside one that made it empty", []changelog.Restore{{From: cutAt(0) + 5, At: cutAt(20)}, {From: 0, At: cutAt(21)}}, []int{0, 1, 5, 30}, []int{30, 5, 0}},
		{"beside one that began earlier", []changelog.Restore{{From: cutAt(0) + 5, At: cutAt(20)}, {From: cutAt(2), At: cutAt(21)}}, []int{0, 1, 3, 5, 30}, []int{30, 5, 1, 0}},
		{"by way of another", []changelog.Restore{{From: cutAt(0) + 5, At: cutAt(5)}, {From: cutAt(7), At: cutAt(20)}}, []int{0, 1, 2, 10, 30}, []int{30, 10, 2, 0}},
		{"over before the window", []changelog.Restore{{From: cutAt(0) + 5, At: cutAt(5)}}, []int{0, 1, 10, 30}, []int{30, 10}},
	} {
		t.Run(c.what, func(t *testing.T) {
			v := newTestVault(t)
			for _, m := range c.snaps {
				backup(t, v, m, records(m), "t")
			}
			restoring(t, v, c.restores...)
			v.now = func() time.Time { return cutAt(30).Time() }
			_, err := v.Retain(t.Context(), "t", 1, 5*time.Minute)
			require.NoError(t, err)
			require.Equal(t, snapsAt("t", c.want...), listed(t, v, "t"))
		})
	}
}

// What lies behind a restore is listed as long as what it began from is there.
func TestListLeavesOutWhatARestoreLost(t *testing.T) {
	v := newTestVault(t)
	for _, m := range []int{1, 5, 30} {
		backup(t, v, m, records(m), "t")
	}
	restoring(t, v, changelog.Restore{From: cutAt(1), At: cutAt(2)}, changelog.Restore{From: cutAt(3), At: cutAt(7)},
		changelog.Restore{From: cutAt(0) + 5, At: cutAt(20)}, changelog.Restore{From: cutAt(21), At: cutAt(22)}, changelog.Restore{From: 0, At: cutAt(40)})
	got, err := v.Restorable("t")
	require.NoError(t, err)
	require.Equal(t, []changelog.Range{{From: cutAt(1), To: cutAt(20) - 1}, {From: cutAt(30), To: cutAt(60)}}, got)

	v = newTestVault(t)
	backup(t, v, 1, records(1), "t")
	backup(t, v, 30, records(30), "t")
	restoring(t, v, changelog.Restore{From: cutAt(0) + 5, At: cutAt(20)}, changelog.Restore{From: 0, At: cutAt(25)})
	got, err = v.Restorable("t")
	require.NoError(t, err)
	require.Equal(t, []changelog.Range{{From: cutAt(1), To: cutAt(20) - 1}, {From: cutAt(25), To: cutAt(60)}}, got, "the last restore counts")
}
