package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func leakFree(t *testing.T) {
	t.Helper()
	ignore := []goleak.Option{goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("os/signal.loop"), goleak.IgnoreAnyFunction("os/signal.signal_recv")}
	t.Cleanup(func() { goleak.VerifyNone(t, ignore...) })
}

func TestDemoHoldsAndCleansUp(t *testing.T) {
	leakFree(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	code, out, errs := brock(t, "", "demo")
	require.Equal(t, exitOK, code, errs)
	for _, word := range []string{"backup_started", "backup_complete", "drill_complete", "recovery_complete",
		"proven: 9 snapshots", "delete 50 %", "restored task_queue", "Everything held"} {
		require.Contains(t, out, word)
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "the directory is removed")
}

func TestDemoReportsAsJSONAndKeeps(t *testing.T) {
	leakFree(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	code, out, errs := brock(t, "", "demo", "--json", "--keep")
	require.Equal(t, exitOK, code, errs)
	_, err := checkShape("demo", out)
	require.NoError(t, err)
	var r demoReport
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, app.StatusOK, r.Status)
	require.Equal(t, 9, r.Proven)
	require.EqualValues(t, 1225, r.Restored)
	require.Positive(t, r.Writes)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Len(t, left, 1)
}
