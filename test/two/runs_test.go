package two

import (
	"context"
	"sync"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// outcome is what a caller of a backup got.
type outcome struct {
	run app.Run
	err error
}

func backup(h *harness.Harness, tables ...string) <-chan outcome {
	done := make(chan outcome, 1)
	hub := h.Hub()
	go func() {
		run, err := hub.Backup(context.Background(), tables...)
		done <- outcome{run, err}
	}()
	return done
}

// Triggers that come before a run's cut join it; those that come behind it share one
// next run, of all that they ask for, and each has what its caller wrote before.
func TestTwoRuns(t *testing.T) {
	h := harness.New(t, harness.Tables("a", "b", "c"), harness.Offline())
	p := h.BackupProbe()
	cut := p.On(harness.Cut).Nth(1).Hold()
	first := backup(h, "a", "b")
	cut.Wait()
	arrived := p.On(harness.Backup).Nth(1).Pass()
	joins := backup(h, "b")
	arrived.Wait()
	copying := h.FS.On(harness.OpWrite, "*.frames").Hold()
	cut.Lift()
	copying.Wait()

	h.Put("a", "k", "later")
	var later []<-chan outcome
	for i, name := range []string{"a", "c", "a"} {
		arrived := p.On(harness.Backup).Nth(1).Pass()
		later = append(later, backup(h, name))
		arrived.Wait()
		require.Len(t, later, i+1)
	}
	copying.Lift()

	one, joined := <-first, <-joins
	require.NoError(t, one.err)
	require.NoError(t, joined.err)
	require.Equal(t, one.run.ID, joined.run.ID)
	require.Equal(t, []string{"a", "b"}, one.run.TablesBackedUp)
	var next string
	for _, c := range later {
		got := <-c
		require.NoError(t, got.err)
		require.Equal(t, []string{"a", "c"}, got.run.TablesBackedUp)
		require.True(t, next == "" || next == got.run.ID, "they share one run")
		next = got.run.ID
		require.Greater(t, got.run.Cut, one.run.Cut)
	}
	require.NotEqual(t, one.run.ID, next)
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, Snapshot: next})
	require.NoError(t, err)
	require.Equal(t, "later", h.Get("a", "k"))
}

// Two restores, two compactions, a backup and writers on one table at once: each comes to
// an end, and what there is then is whole, in the table, the vault and the change log.
func TestTwoOfEverythingOnOneTable(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Offline())
	w := h.Workload("a", 1)
	w.Run(50)
	h.Backup()
	hub := h.Hub()
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for range 2 {
		for _, do := range []func() error{
			func() error { _, err := hub.Compact(context.Background(), "a"); return err },
			func() error {
				_, err := hub.Restore(context.Background(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
				return err
			},
			func() error {
				_, err := hub.Restore(context.Background(), app.RestoreRequest{Tables: []string{"a"}})
				return err
			},
			func() error { _, err := hub.Backup(context.Background()); return err },
			func() error { _, err := hub.Drill(context.Background()); return err },
			func() error { _, err := hub.Verify(context.Background()); return err },
			func() error {
				for range 20 {
					if _, err := h.Table("a").Put(context.Background(), []byte("other"), []byte("v")); err != nil {
						return err
					}
				}
				return nil
			},
		} {
			all.Go(func() { errs <- do() })
		}
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	live := map[string]app.Version{}
	for r, err := range h.Table("a").Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		live[string(r.Key)] = r.Version
	}
	_, err := hub.Restore(t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
	require.NoError(t, err)
	for r, err := range h.Table("a").Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		require.Equal(t, live[string(r.Key)], r.Version)
		delete(live, string(r.Key))
	}
	require.Empty(t, live)
	report, err := hub.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
}
