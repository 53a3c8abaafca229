package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
)

// rpo is what a lost disk costs: a hub is killed while it takes 10,000 puts a second,
// its data directory is removed, and the vault's newest state restored. The age, at
// the kill, of the oldest acknowledged write that is missing then is what was at risk.
func (b *bench) rpo(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 5))
	var ages []time.Duration
	var acked, missing int
	for range *kills {
		l, err := b.rpoOnce(ctx, time.Second+time.Duration(rng.Int64N(int64(3*time.Second))))
		if err != nil {
			return err
		}
		ages, acked, missing = append(ages, l.age), acked+l.acked, missing+l.missing
	}
	row(fmt.Sprintf("data at risk at 10,000 puts/s, %d kills: p50, p99", *kills), show(median(ages))+", "+show(quantile(ages, 0.99)),
		fmt.Sprintf("%d of %d acknowledged writes lost with the disk", missing, acked), "", "p99 1.5 s")
	return nil
}

// loss is what one kill cost.
type loss struct {
	age            time.Duration
	acked, missing int
}

func (b *bench) rpoOnce(ctx context.Context, after time.Duration) (l loss, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	cmd := b.command(ctx, "rpo", "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return l, err
	}
	if err := cmd.Start(); err != nil {
		return l, err
	}
	acks := map[int]storage.Version{}
	var killed time.Time
	lines := bufio.NewScanner(out)
	lines.Scan() // the hub is open
	timer := time.AfterFunc(after, func() { killed = time.Now(); _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		var seq int
		var v storage.Version
		if n, _ := fmt.Sscan(lines.Text(), &seq, &v); n == 2 {
			acks[seq] = v
		}
	}
	_ = cmd.Wait() // it was killed
	if err := os.RemoveAll(b.dataDir()); err != nil {
		return l, err
	}
	var there map[int]bool
	err = with(ctx, b.config(), func(h *app.Hub, t *app.Table) error {
		if _, err := h.Restore(ctx, app.RestoreRequest{All: true, At: app.Latest}); err != nil {
			return err
		}
		there, err = sequences(ctx, t)
		return err
	})
	if err != nil {
		return l, err
	}
	return lost(acks, there, killed)
}

// lost compares what was acknowledged with what is there. A write must not be there
// while an earlier one is missing.
func lost(acks map[int]storage.Version, there map[int]bool, killed time.Time) (l loss, err error) {
	var newest, oldest storage.Version
	for seq, v := range acks {
		if there[seq] {
			newest = max(newest, v)
		} else if l.missing++; oldest == 0 || v < oldest {
			oldest = v
		}
	}
	l.acked = len(acks)
	if l.missing > 0 {
		l.age = killed.Sub(oldest.Time())
		if oldest <= newest {
			err = fmt.Errorf("version %d is missing, version %d is there", oldest, newest)
		}
	}
	if l.acked == 0 {
		err = errors.Join(err, errors.New("nothing was acknowledged"))
	}
	return l, err
}

func sequences(ctx context.Context, t *app.Table) (map[int]bool, error) {
	there := map[int]bool{}
	for r, err := range t.Scan(ctx, app.Range{}) {
		if err != nil {
			return nil, err
		}
		var seq int
		if _, err := fmt.Sscanf(string(r.Key), "seq-%d", &seq); err != nil {
			return nil, err
		}
		there[seq] = true
	}
	return there, nil
}

// rpoChild writes until it is killed, and prints what was acknowledged.
func (b *bench) rpoChild(ctx context.Context) error {
	return with(ctx, b.config(), func(_ *app.Hub, t *app.Table) error {
		fmt.Println("open")
		var next atomic.Int64
		var mu sync.Mutex
		_, err := pace(ctx, func(_, value []byte) error {
			seq := next.Add(1)
			v, err := t.Put(ctx, fmt.Appendf(nil, "seq-%012d", seq), value)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				_, err = fmt.Printf("%d %d\n", seq, v)
			}
			return err
		})
		return err
	})
}
