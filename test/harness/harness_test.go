package harness_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestAHubWithEventsOverRestarts(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b"))
	h.Put("a", "k", "v")
	run := h.Backup()
	h.Expect(harness.Within(5*time.Second), harness.BackupStarted(run.ID), harness.BackupComplete(run.ID).With("tables_success", 2),
		harness.Not(harness.BackupFailed("")))
	h.Restart()
	require.Equal(t, "v", h.Get("a", "k"))
	again := h.Backup("a")
	var got app.Run
	require.NoError(t, h.Expect(harness.BackupComplete(again.ID)).Decode(&got))
	require.Equal(t, []string{"a"}, got.TablesBackedUp)
	require.Len(t, h.Events(), 4, "the stream's replay after the restart is not counted twice")
}

// failed runs f as a test of its own and returns what it failed with.
func failed(f func(t harness.TB)) string {
	if err := harness.Script("inner", f); err != nil {
		return err.Error()
	}
	return ""
}

func TestExpectSaysWhatCame(t *testing.T) {
	text := failed(func(t harness.TB) {
		h := harness.New(t, harness.Tables("a"))
		h.Backup()
		h.Expect(harness.BackupComplete(""))
		h.Backup()
		h.Expect(harness.Within(300*time.Millisecond), harness.BackupComplete("nosuchrun"))
	})
	require.Contains(t, text, `no backup_complete (run "nosuchrun") within 300ms; what came:`)
	require.Equal(t, 1, strings.Count(text, "backup_started"), "only what came since the last call: %s", text)
	text = failed(func(t harness.TB) {
		h := harness.New(t, harness.Tables("a"))
		h.Backup()
		h.Expect(harness.BackupComplete(""), harness.Not(harness.BackupStarted("")))
	})
	require.Contains(t, text, "backup_started came before backup_complete")
	text = failed(func(t harness.TB) { harness.New(t, harness.Offline()).Expect(harness.BackupComplete("")) })
	require.Contains(t, text, "no events can come")
	text = failed(func(t harness.TB) { harness.New(t, harness.Offline()).Expect(harness.Not(harness.BackupFailed(""))) })
	require.Contains(t, text, "nothing is expected")
}

func TestLeaksAreFound(t *testing.T) {
	stop := make(chan struct{})
	text := failed(func(t harness.TB) {
		harness.New(t, harness.Tables("a"), harness.Offline())
		go func() { <-stop }()
	})
	close(stop)
	require.Contains(t, text, "goroutines outlive the hub")
	text = failed(func(t harness.TB) {
		h := harness.New(t, harness.Tables("a"), harness.Offline(), harness.Parallel())
		f, err := h.FS.Create(h.Dir + "/forgotten")
		if err != nil {
			t.Fatalf("%v", err)
		}
		t.Cleanup(func() {}) // runs before the check
		_ = f
	})
	require.Contains(t, text, "/forgotten")
}

func TestTheFakeClockDrivesScheduleExpiryAndVersions(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Schedule("@daily"), harness.FakeClock(noon))
	ctx := t.Context()
	v, err := h.Table("a").PutUntil(ctx, []byte("k"), []byte("v"), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, noon, v.Time().UTC())
	require.Equal(t, "v", h.Get("a", "k"))
	h.TableProbe("a").Await(harness.Committed) // now it has set its timer
	h.Advance(time.Minute)
	require.Empty(t, h.Get("a", "k"), "an expired record is invisible at once")
	h.TableProbe("a").Await(harness.FoundDue) // of the start
	h.TableProbe("a").Await(harness.FoundDue) // removes it
	h.Advance(12 * time.Hour)
	e := h.Expect(harness.Within(10*time.Second), harness.BackupComplete("").With("trigger", "schedule"), harness.Not(harness.BackupFailed("")))
	require.Equal(t, noon.Add(12*time.Hour+time.Minute), e.Time())
}

func TestProbeRecordsAndStandsIn(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline())
	p := h.TableProbe("a")
	p.Await(harness.FoundDue)
	before := len(p.Got())
	h.Put("a", "k", "v")
	p.Await(harness.Committed)
	require.Equal(t, []harness.Message{harness.Apply, harness.Committed}, p.Got()[before:])
	refused := errors.New("refused by the probe")
	p.On(harness.Apply).Nth(2).Refuse(refused)
	for i := range 3 {
		_, err := h.Table("a").Put(t.Context(), fmt.Append(nil, i), nil)
		if i == 1 {
			require.ErrorIs(t, err, refused)
		} else {
			require.NoError(t, err)
		}
	}
	require.Contains(t, failed(func(t harness.TB) {
		harness.New(t, harness.Tables("a"), harness.Offline()).TableProbe("a").On(harness.Tick).Refuse(refused)
	}), "nobody waits")
}

func TestWorkloadAgreesWithItsModel(t *testing.T) {
	for seed := range uint64(4) {
		h := harness.New(t, harness.Tables("a"), harness.FakeClock(noon))
		w := h.Workload("a", seed)
		require.Greater(t, w.Run(150), 100)
		w.Check()
		h.Advance(2 * time.Minute)
		w.Check()
		h.Backup()
		goBack := w.Mark()
		w.Run(50)
		out, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, app.StatusRestored, out.Status)
		goBack()
		w.Check()
		h.Restart()
		w.Run(50)
		w.Check()
		h.Stop()
	}
}

func TestWorkloadNoticesWhatIsWrong(t *testing.T) {
	for _, wrong := range []app.Op{{Key: []byte("key-000"), Value: []byte("not the workload's")}, {Key: []byte("other"), Value: []byte("x")}} {
		require.Contains(t, failed(func(t harness.TB) {
			h := harness.New(t, harness.Tables("a"), harness.Offline())
			w := h.Workload("a", 1)
			w.Run(20)
			if _, err := h.Table("a").Apply(t.Context(), app.Batch{wrong}); err != nil {
				t.Fatalf("%v", err)
			}
			w.Check()
		}), "is not what was acknowledged")
	}
}
