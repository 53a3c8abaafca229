package soak

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what came of it, in figures.
type report struct{ lines []string }

func (r *report) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *report) String() string { return strings.Join(r.lines, "\n") }

func (s *soak) report() *report {
	r := &report{}
	calm, busy := s.phases[0], s.phases[1]
	r.add("soak: seed %d, %d processors, %v after %v of calm, %d tables, %.0f transactions of 3 keys a second asked for",
		*seedFlag, runtime.NumCPU(), busy.to.Sub(busy.from).Round(time.Second), calm.to.Sub(calm.from).Round(time.Second), tableCount, *rateFlag)
	r.add("%d transactions acknowledged, %.0f a second while the hub was up and undisturbed", s.acked, s.held(busy))
	r.add("%d kills, %d backups, %d compactions, %d restores of a table, %d verifies", s.kills, s.backups, s.compactions, s.restores, s.verified)
	r.add("%d restores of the whole hub to a moment, %d records compared: 0 mismatches, 0 acknowledged writes lost", s.looks, s.compared)
	undisturbed := s.undisturbed(busy)
	r.add("p50, p99: calm %v, %v; with backups %v, %v (%.2f×); with the windows after a start too %v, %v",
		calm.took.quantile(0.5), calm.took.quantile(0.99), undisturbed.quantile(0.5), undisturbed.quantile(0.99),
		float64(undisturbed.quantile(0.99))/float64(max(1, calm.took.quantile(0.99))), busy.took.quantile(0.5), busy.took.quantile(0.99))
	s.byWork(r, busy, calm.took)
	r.add("starts: median %v, longest %v; backups: median %v, pause at most %.1f ms; restores of the hub: median %v",
		median(s.starts), longest(s.starts), median(s.backupTook), slices.Max(append(s.pauses, 0)), median(s.lookTook))
	for _, f := range []struct {
		name string
		of   func(window) float64
	}{
		{"resident memory, MB", func(w window) float64 { return float64(w.Resident) / (1 << 20) }},
		{"anonymous memory, MB", func(w window) float64 { return float64(w.Anonymous) / (1 << 20) }},
		{"descriptors", func(w window) float64 { return float64(w.Descriptors) }},
		{"goroutines", func(w window) float64 { return float64(w.Routines) }},
		{"change log behind, ms", func(w window) float64 { return w.LagMS }},
	} {
		all := s.during(busy)
		q := max(1, len(all)/4)
		r.add("%s: first quarter %.0f, last quarter %.0f (medians), at most %.0f", f.name,
			middle(all[:min(q, len(all))], f.of), middle(all[max(0, len(all)-q):], f.of), most(all, f.of))
	}
	return r
}

// byWork tells how slow writes were beside what, where that was one thing; a restore of
// the whole hub counts with whatever came beside it.
func (s *soak) byWork(r *report, p phase, calm histogram) {
	only := func(w window, what string) bool { return len(w.Worked) == 1 && w.Worked[what] }
	for _, kind := range []struct {
		name string
		is   func(window) bool
	}{
		{"nothing else", func(w window) bool { return len(w.Worked) == 0 }},
		{"a backup", func(w window) bool { return only(w, "backup") }},
		{"a compaction", func(w window) bool { return only(w, "compact") }},
		{"a restore of the whole hub", func(w window) bool { return w.Worked["look"] }},
	} {
		took, windows := histogram{}, 0
		for _, w := range s.during(p) {
			if !w.Disturbed && kind.is(w) {
				took.add(w.Took)
				windows++
			}
		}
		p99 := took.quantile(0.99)
		r.add("  beside %s (%d windows): p50 %v, p99 %v, %.2f× of calm", kind.name, windows, took.quantile(0.5), p99, float64(p99)/float64(max(1, calm.quantile(0.99))))
	}
}

// held is the throughput outside of kills and starts.
func (s *soak) held(p phase) float64 {
	n, length := 0, time.Duration(0)
	for _, w := range s.during(p) {
		if !w.Disturbed {
			n, length = n+w.Took.count(), length+w.Length
		}
	}
	return float64(n) / max(1e-9, length.Seconds())
}

func (s *soak) undisturbed(p phase) histogram {
	h := histogram{}
	for _, w := range s.during(p) {
		if !w.Disturbed {
			h.add(w.Took)
		}
	}
	return h
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(d))[len(d)/2].Round(time.Millisecond)
}

func longest(d []time.Duration) time.Duration {
	return slices.Max(append(d, 0)).Round(time.Millisecond)
}

func middle(ws []window, of func(window) float64) float64 {
	var f []float64
	for _, w := range ws {
		f = append(f, of(w))
	}
	if slices.Sort(f); len(f) == 0 {
		return 0
	}
	return f[len(f)/2]
}

func most(ws []window, of func(window) float64) (m float64) {
	for _, w := range ws {
		m = max(m, of(w))
	}
	return m
}
