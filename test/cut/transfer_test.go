// Package cut proves that a run's snapshots are one consistent cut.
package cut

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

var runs = flag.Int("runs", 30, "backup runs to check")

const (
	accounts = 20
	movers   = 12
	initial  = 1000
	most     = 100 // of one movement
)

// bank moves amounts between accounts in different tables. A mover numbers its
// movements; the debit is acknowledged before the credit is sent.
type bank struct {
	hub   *app.Hub
	dir   string
	names []string
	moved atomic.Int64
	stop  atomic.Bool
	locks [4][accounts]sync.Mutex
}

func account(i int) []byte  { return fmt.Appendf(nil, "account-%03d", i) }
func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// book changes one account and notes the movement under two keys, in one batch.
func (b *bank) book(table, acc int, by int64, kind string, mover int, n int64) error {
	b.locks[table][acc].Lock()
	defer b.locks[table][acc].Unlock()
	t, err := b.hub.Table(b.names[table])
	if err != nil {
		return err
	}
	rec, err := t.Get(context.Background(), account(acc))
	if err != nil {
		return err
	}
	balance, err := strconv.ParseInt(string(rec.Value), 10, 64)
	if err != nil {
		return err
	}
	_, err = t.Apply(context.Background(), app.Batch{
		{Key: account(acc), Value: number(balance + by)},
		{Key: fmt.Appendf(nil, "%s/%d/first", kind, mover), Value: number(n)},
		{Key: fmt.Appendf(nil, "%s/%d/second", kind, mover), Value: number(n)},
	})
	return err
}

func (b *bank) move(rng *rand.Rand, mover int, n int64) error {
	from, to := rng.IntN(len(b.names)), rng.IntN(len(b.names)-1)
	if to >= from {
		to++
	}
	by := 1 + rng.Int64N(most)
	if err := b.book(from, rng.IntN(accounts), -by, "debit", mover, n); err != nil {
		return err
	}
	b.moved.Add(1)
	return b.book(to, rng.IntN(accounts), by, "credit", mover, n)
}

// TestNoCreditWithoutItsDebit looks into every cut that backups make while amounts
// are moved: no movement's credit is there without its debit, no batch is half
// there, and no money came from nowhere.
func TestNoCreditWithoutItsDebit(t *testing.T) {
	b := openBank(t)
	var wg sync.WaitGroup
	for m := range movers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(m), 7))
			for n := int64(1); !b.stop.Load(); n++ {
				if err := b.move(rng, m, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	v, err := vault.OpenReadOnly(disk.OS, filepath.Join(b.dir, "vault"))
	require.NoError(t, err)
	torn := 0 // cuts that caught a movement in the middle: the test looks where it hurts
	if testing.Short() {
		*runs = min(*runs, 60)
	}
	for range *runs {
		run, err := b.hub.Backup(context.Background())
		require.NoError(t, err)
		if inTheMiddle := check(t, v, run, int64(len(b.names)*accounts*initial)); inTheMiddle {
			torn++
		}
	}
	b.stop.Store(true)
	wg.Wait()
	t.Logf("%d cuts, %d of them in the middle of a movement, %d movements", *runs, torn, b.moved.Load())
	require.Positive(t, torn, "no cut caught a movement in the middle, so the test proved nothing")
}

func openBank(t *testing.T) *bank {
	dir := t.TempDir()
	b := &bank{dir: dir, names: []string{"north", "south", "east", "west"}}
	var err error
	b.hub, err = app.Open(context.Background(), app.Config{Data: dir, Tables: b.names, Offline: true, MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, b.hub.Close(ctx))
	})
	for _, name := range b.names {
		tb, err := b.hub.Table(name)
		require.NoError(t, err)
		for a := range accounts {
			_, err := tb.Put(context.Background(), account(a), number(initial))
			require.NoError(t, err)
		}
	}
	return b
}

// check reads one run's snapshots and says whether the cut caught a movement
// between its debit and its credit.
func check(t *testing.T, v *vault.Vault, run app.Run, total int64) bool {
	newest := map[string]int64{} // of each kind and mover, over all tables
	var sum int64
	for _, r := range run.Results {
		inTable := map[string]int64{}
		_, entries, err := v.Entries(context.Background(), r.Table, r.Snapshot)
		require.NoError(t, err)
		for e, err := range entries {
			require.NoError(t, err)
			rec, _, problem := e.Open()
			require.Empty(t, problem)
			n, err := strconv.ParseInt(string(rec.Value), 10, 64)
			require.NoError(t, err)
			if key := string(rec.Key); strings.HasPrefix(key, "account") {
				sum += n
			} else {
				inTable[key] = n
			}
		}
		for key, n := range inTable {
			if half, ok := strings.CutSuffix(key, "/first"); ok {
				require.Equal(t, n, inTable[half+"/second"], "run %s, table %s: half a batch of %s", run.ID, r.Table, half)
				newest[half] = max(newest[half], n)
			}
		}
	}
	middle := false
	for m := range movers {
		debit, credit := newest[fmt.Sprintf("debit/%d", m)], newest[fmt.Sprintf("credit/%d", m)]
		require.LessOrEqual(t, credit, debit, "run %s: mover %d has a credit without its debit", run.ID, m)
		require.LessOrEqual(t, debit-credit, int64(1), "run %s: mover %d has a debit whose earlier credit is missing", run.ID, m)
		middle = middle || debit > credit
	}
	require.LessOrEqual(t, sum, total, "run %s: money came from nowhere", run.ID)
	require.GreaterOrEqual(t, sum, total-movers*most, "run %s: money is gone", run.ID)
	return middle
}
