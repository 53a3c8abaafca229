package growth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/bench/records"
)

const curveVar = "BROCK_GROWTH_CURVE"

// task is what a process of the curve is to do.
type task struct {
	Dir, What string
	Tables    int
	Bytes     int64
}

func (k task) records() int { return int(k.Bytes/records.MeanBytes)/k.Tables + 1 }

// curveChild does it, and prints a point.
func curveChild(told string) error {
	var k task
	if err := json.Unmarshal([]byte(told), &k); err != nil {
		return err
	}
	ctx := context.Background()
	began := time.Now()
	cfg := config(filepath.Join(k.Dir, "data"), k.Tables)
	cfg.Schedule, cfg.DrillEvery, cfg.ScrubEvery, cfg.CompactEvery = "off", -1, -1, -1
	h, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	p := point{Tables: k.Tables, Bytes: k.Bytes, StartMS: ms(began)}
	if k.What == "fill" {
		err = k.fill(ctx, h)
	} else if err = k.work(ctx, h, &p); err == nil {
		err = json.NewEncoder(os.Stdout).Encode(p)
	}
	return errors.Join(err, h.Close(ctx))
}

func ms(since time.Time) float64 { return float64(time.Since(since)) / float64(time.Millisecond) }

// put writes records of a generation, a thousand in a commit.
func (k task) put(ctx context.Context, t *app.Table, generation, n int, record func(i int) int) error {
	for i := 0; i < n; i += 1000 {
		var b app.Batch
		seen := map[int]bool{}
		for j := i; j < min(i+1000, n); j++ {
			if r := record(j); !seen[r] {
				seen[r] = true
				b = append(b, app.Op{Key: records.Key(r), Value: records.Value(r, generation)})
			}
		}
		if _, err := t.Apply(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (k task) each(h *app.Hub, f func(*app.Table) error) error {
	for _, name := range h.Tables() {
		t, err := h.Table(name)
		if err == nil {
			err = f(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k task) fill(ctx context.Context, h *app.Hub) error {
	return k.each(h, func(t *app.Table) error { return k.put(ctx, t, 0, k.records(), func(i int) int { return i }) })
}

// work measures a whole backup, one after one record in a hundred has changed, and a
// proven restore of a table.
func (k task) work(ctx context.Context, h *app.Hub, p *point) error {
	p.IdleMB = anonymousMB()
	var peak atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				peak.Store(max(peak.Load(), int64(anonymousMB())))
			}
		}
	}()
	defer func() { close(stop); <-stopped; p.PeakMB = float64(peak.Load()) }()
	var err error
	if p.BackupMS, p.BackupBytes, p.PauseMS, err = backup(ctx, h); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := k.records()
	if err := k.each(h, func(t *app.Table) error {
		return k.put(ctx, t, 1, n/100+1, func(int) int { return rng.IntN(n) })
	}); err != nil {
		return err
	}
	var pause float64
	if p.NextMS, p.NextBytes, pause, err = backup(ctx, h); err != nil {
		return err
	}
	p.PauseMS = max(p.PauseMS, pause)
	began := time.Now()
	_, err = h.Restore(ctx, app.RestoreRequest{Tables: h.Tables()[:1], To: filepath.Join(k.Dir, "restored")})
	p.RestoreMS = ms(began)
	return err
}

func backup(ctx context.Context, h *app.Hub) (took float64, size int64, pause float64, err error) {
	began := time.Now()
	run, err := h.Backup(ctx)
	for _, r := range run.Results {
		size += r.NewSize
	}
	return ms(began), size, run.PauseMS, err
}

// anonymousMB is the memory that only this process has; 0 where there is no /proc.
func anonymousMB() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(l, "RssAnon: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
