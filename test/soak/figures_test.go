package soak

import (
	"math"
	"sync"
	"time"
)

// A latency is counted in the bucket of its size; each is 5 % wider than the one before.
const bucketGrowth = 1.05

func bucketOf(d time.Duration) int {
	return max(0, int(math.Log(max(1, float64(d)/float64(time.Microsecond)))/math.Log(bucketGrowth)))
}

func bucketTop(b int) time.Duration {
	return time.Duration(math.Pow(bucketGrowth, float64(b+1)) * float64(time.Microsecond))
}

// histogram counts latencies by bucket.
type histogram map[int]int

func (h histogram) add(o histogram) {
	for b, n := range o {
		h[b] += n
	}
}

func (h histogram) count() (n int) {
	for _, c := range h {
		n += c
	}
	return n
}

// quantile is exact to 5 %.
func (h histogram) quantile(q float64) time.Duration {
	left := int(math.Ceil(float64(h.count()) * q))
	for b := 0; left > 0; b++ {
		if left -= h[b]; left <= 0 {
			return bucketTop(b)
		}
	}
	return 0
}

// window is what happened in a stretch of time.
type window struct {
	At      time.Time
	Length  time.Duration
	Took    histogram
	LagMS   float64 // of the change log
	Waiting int64   // bytes that it has not got
	// What the process looks like from outside.
	Resident, Anonymous int64
	Descriptors         int
	Routines            int
	Disturbed           bool            // the hub was killed in it, or started
	Worked              map[string]bool // what was done beside the writing
}

func (w window) rate() float64 { return float64(w.Took.count()) / w.Length.Seconds() }

// latencies gathers a window.
type latencies struct {
	mu    sync.Mutex
	since time.Time
	took  histogram
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.took == nil {
		l.took = histogram{}
	}
	l.took[bucketOf(d)]++
}

func (l *latencies) take() window {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	w := window{At: now, Length: now.Sub(l.since), Took: l.took}
	l.took, l.since = histogram{}, now
	return w
}
