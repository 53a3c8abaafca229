package vault

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

func TestRuns(t *testing.T) {
	v := newTestVault(t)
	runs, ps, err := v.Runs(0)
	require.NoError(t, err)
	require.Empty(t, ps)
	require.NotNil(t, runs)
	_, ok, err := v.LastRun()
	require.NoError(t, err)
	require.False(t, ok)
	top, err := v.MaxVersion()
	require.NoError(t, err)
	require.Zero(t, top)

	for m := range 3 {
		backup(t, v, m, records(3), "a", "b")
	}
	failed := Run{ID: runAt(9), Hub: "hub", Cut: cutAt(9), Results: []Result{{Table: "a", Status: StatusError, Error: "disk <full> & \xff"}}}
	failed.Tally()
	require.NoError(t, v.WriteRun(failed))
	noCut := Run{ID: runAt(10), StartedAt: At(epoch.Add(10 * time.Minute)), Status: StatusFailed}
	require.NoError(t, v.WriteRun(noCut))

	runs, _, err = v.Runs(2)
	require.NoError(t, err)
	require.Equal(t, []string{runAt(10), runAt(9)}, []string{runs[0].ID, runs[1].ID})
	require.Equal(t, StatusFailed, runs[1].Status)
	last, ok, err := v.LastRun(StatusComplete, StatusPartial)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, runAt(2), last.ID)
	last, _, _ = v.LastRun()
	require.Equal(t, runAt(10), last.ID)
	one, err := v.Run(runAt(1))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, one.TablesBackedUp)
	require.Equal(t, 2, one.TablesSuccess)
	require.Equal(t, 1.0, one.PauseMS)
	require.Equal(t, one.Results[0].Size+one.Results[1].Size, one.Bytes)
	require.True(t, one.CutAt.Equal(cutAt(1).Time()))
	_, err = v.Run("norun0000")
	require.ErrorIs(t, err, ErrNoRun)
	top, err = v.MaxVersion()
	require.NoError(t, err)
	require.Equal(t, cutAt(9), top)

	require.NoError(t, v.WriteRun(failed)) // the same again
	failed.Hub = "other"
	require.ErrorIs(t, v.WriteRun(failed), ErrExists)
	require.ErrorIs(t, v.WriteRun(Run{ID: "x"}), storage.ErrInvalid)
	require.ErrorIs(t, v.WriteRun(Run{ID: runAt(3)}), storage.ErrInvalid)
	lost := Run{ID: runAt(4), Cut: cutAt(4), Results: []Result{{Table: "a", Status: StatusOK, Snapshot: nameAt(4)}}}
	require.ErrorIs(t, v.WriteRun(lost), storage.ErrDamaged)
	clean(t, v)

	overwrite(t, v.path(runsName, nameAt(9)+".json"), []byte("{}"))
	runs, ps, err = v.Runs(0)
	require.NoError(t, err)
	require.Len(t, runs, 4)
	require.Len(t, ps, 1)
	_, err = v.Run(runAt(9))
	require.ErrorIs(t, err, storage.ErrDamaged)
	last, _, _ = v.LastRun(StatusComplete)
	require.Equal(t, runAt(2), last.ID)
}

func TestWriteRunReadsMissingHashes(t *testing.T) {
	v := newTestVault(t)
	s := backup(t, v, 0, records(1), "t")[0]
	require.NoError(t, os.Remove(v.path(runsName, nameAt(0)+".json")))
	r := s.Result(0, 0)
	r.ManifestSHA256 = ""
	run := Run{ID: runAt(0), Cut: cutAt(0), Results: []Result{r}}
	require.ErrorIs(t, v.WriteRun(run), storage.ErrInvalid) // it does not say how it ended
	run.Tally()
	require.NoError(t, v.WriteRun(run))
	require.Contains(t, string(read(t, v.path(runsName, nameAt(0)+".json"))), s.ManifestSHA256)
	clean(t, v)
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		shape any
		want  string
	}{
		{Run{}, `{"run":"","hub":"","trigger":"","cut":0,"cut_at":null,"started_at":null,"duration_ms":0,"pause_ms":0,"status":"","tables_total":0,"tables_success":0,"tables_backed_up":[],"tables_failed":[],"backup_dir":"","bytes":0,"results":[]}`},
		{Result{}, `{"table":"","status":"","snapshot":"","path":"","size":0,"new_size":0,"records":0,"duration_ms":0,"pause_ms":0,"error":""}`},
		{Listing{Snapshots: []Snapshot{{Table: "t", CutAt: At(epoch)}}}, `{"snapshots":[{"table":"t","snapshot":"","run":"","cut":0,"cut_at":"2026-11-22T21:04:05.123Z","records":0,"bytes":0,"new_bytes":0,"proven_at":null}],"ranges":[],"problems":[]}`},
		{Report{Status: "ok"}, `{"status":"ok","checked":0,"bytes":0,"duration_ms":0,"problems":[]}`},
		{Report{Problems: []Problem{{}}}, `{"status":"","checked":0,"bytes":0,"duration_ms":0,"problems":[{"table":"","snapshot":"","file":"","offset":0,"problem":""}]}`},
	} {
		got, err := json.Marshal(c.shape)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
	require.Nil(t, At(time.Time{}))
	require.Equal(t, 1.235, Millis(1234567*time.Nanosecond))
}

func TestTally(t *testing.T) {
	r := Run{Results: []Result{{Table: "a", Status: StatusOK, Size: 3, PauseMS: 1}, {Table: "b", Status: StatusError, PauseMS: 2}}}
	r.Tally()
	require.Equal(t, Run{Status: StatusPartial, TablesTotal: 2, TablesSuccess: 1, TablesBackedUp: []string{"a"}, TablesFailed: []string{"b"}, Bytes: 3, PauseMS: 2, Results: r.Results}, r)
	r = Run{}
	r.Tally()
	require.Equal(t, StatusFailed, r.Status)
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range 2000 {
		id := NewRunID(epoch.Add(time.Duration(i) * time.Second))
		require.NoError(t, checkRunID(id))
		require.Len(t, id, 12)
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Less(t, NewRunID(epoch), NewRunID(epoch.Add(time.Second)))
	require.Equal(t, "2026-11-22T21-04-05.123Z_run000000000", nameAt(0))
	s, ok := parseStamp(nameAt(5))
	require.True(t, ok)
	require.Equal(t, runAt(5), s.run)
	for _, bad := range []string{"", "x", nameAt(0) + "/", nameAt(0) + ".json", strings.ToLower(nameAt(0)), "2026-11-22T21-04-05Z_run000000000", "2026-13-22T21-04-05.123Z_run000000000", "2026-11-22T21-04-05,123Z_run000000000"} {
		_, ok := parseStamp(bad)
		require.False(t, ok, bad)
	}
}
