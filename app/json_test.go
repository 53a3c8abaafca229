package app_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
)

type counter struct{ N int }

func TestJSONTablesDoWhatTablesDo(t *testing.T) {
	ctx := context.Background()
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	clock := clockwork.NewFakeClockAt(time.Now())
	cfg.Tables, cfg.Wall = []string{"a"}, clock
	raw := table(t, open(t, cfg), "a")
	counters := app.JSON[counter](raw)

	expires := clock.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
	first, err := counters.PutUntil(ctx, "k", counter{1}, expires)
	require.NoError(t, err)
	second, err := counters.Update(ctx, "k", func(r *app.Row[counter]) error {
		require.Equal(t, app.Row[counter]{Key: "k", Value: counter{1}, Version: first, ExpiresAt: expires}, *r)
		r.Value.N++
		return nil
	})
	require.NoError(t, err)
	rec, err := raw.Get(ctx, []byte("k"))
	require.NoError(t, err)
	require.True(t, expires.Equal(rec.ExpiresAt), "an update keeps the expiry that it does not change")
	require.Equal(t, `{"N":2}`, string(rec.Value))
	for row, err := range counters.Scan(ctx, app.Range{}) {
		require.NoError(t, err)
		require.Equal(t, app.Row[counter]{Key: "k", Value: counter{2}, Version: second, ExpiresAt: expires}, row)
	}

	_, err = counters.DeleteAt(ctx, "k", first)
	require.ErrorIs(t, err, app.ErrConflict)
	_, err = counters.DeleteAt(ctx, "k", 0)
	require.ErrorIs(t, err, app.ErrInvalid)
	_, err = counters.DeleteAt(ctx, "k", second)
	require.NoError(t, err)
	_, _, err = counters.Get(ctx, "k")
	require.ErrorIs(t, err, app.ErrNotFound)
}

func TestUpdateLosesNothing(t *testing.T) {
	ctx := context.Background()
	counters := app.JSON[counter](table(t, open(t, quiet(filepath.Join(t.TempDir(), "data"))), "task_queue"))
	const writers, rounds = 8, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				_, err := counters.Update(ctx, "k", func(r *app.Row[counter]) error { r.Value.N++; return nil })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, before, err := counters.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, writers*rounds, got.N)

	no := errors.New("no")
	_, err = counters.Update(ctx, "k", func(r *app.Row[counter]) error { r.Value.N = 0; return no })
	require.ErrorIs(t, err, no)
	_, after, err := counters.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, before, after)

	_, err = counters.Table.Put(ctx, []byte("text"), []byte("no JSON"))
	require.NoError(t, err)
	_, err = counters.Update(ctx, "text", func(*app.Row[counter]) error { return nil })
	require.ErrorContains(t, err, "counter")
	over, cancel := context.WithCancel(ctx)
	_, err = counters.Update(over, "k", func(r *app.Row[counter]) error {
		_, err := counters.Put(ctx, "k", counter{1}) // somebody always comes between
		cancel()
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
}
