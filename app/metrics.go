package app

import (
	"net/http"
	"runtime"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsPrefix begins the name of every metric of a hub.
const metricsPrefix = "brock"

// Metrics answers a scrape of Prometheus with the hub's metrics, whose names begin with
// brock_, and those of the Go process. Each hub has a registry of its own, so several
// hubs of a process are mounted under several paths. It asks for no credentials:
// protect it as what it is mounted beside.
//
// A scrape blocks no write. What has to be read from a disk is looked up at most every
// five seconds; where a disk does not answer, the scrape has what was known before, and
// brock_lookup_timestamp_seconds tells since when the vault does not.
func (h *Hub) Metrics() http.Handler {
	return promhttp.HandlerFor(h.metrics.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 8})
}

// metrics counts what happens, as it happens. How things are is looked up by the
// scrape: see [hubCollector].
type metrics struct {
	registry *prometheus.Registry

	commits      *prometheus.HistogramVec
	commitErrors *prometheus.CounterVec
	writes       *prometheus.CounterVec

	runs        *prometheus.CounterVec
	runTime     prometheus.Histogram
	runBytes    prometheus.Counter
	tableErrors *prometheus.CounterVec
	pauses      *prometheus.HistogramVec

	recoveries  *prometheus.CounterVec
	corruptions *prometheus.CounterVec
	compactions *prometheus.CounterVec
	drills      *prometheus.CounterVec
	verifies    *prometheus.CounterVec
}

// The bounds of the histograms, in seconds.
var (
	commitBuckets = []float64{25e-6, 100e-6, 250e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 1, 5}
	pauseBuckets  = []float64{10e-6, 100e-6, 1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1, 5}
	runBuckets    = []float64{0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600}
)

func newMetrics(h *Hub) *metrics {
	r := prometheus.NewRegistry()
	m := &metrics{registry: r,
		commits:      histograms("commit_duration_seconds", "How long the commits of a table took, each of which holds all writes that waited.", commitBuckets, "table"),
		commitErrors: counters("commit_errors_total", "Commits of a table that failed.", "table"),
		writes:       counters("writes_total", "Writes of a table that were acknowledged.", "table"),
		runs:         counters("backup_runs_total", "Backup runs by how they ended.", "status"),
		runTime: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: metricsPrefix, Name: "backup_duration_seconds",
			Help: "How long backup runs took.", Buckets: runBuckets}),
		runBytes: prometheus.NewCounter(prometheus.CounterOpts{Namespace: metricsPrefix, Name: "backup_bytes_total",
			Help: "Bytes that restores of the snapshots of all runs would read."}),
		tableErrors: counters("backup_table_errors_total", "Runs in which the table could not be backed up.", "table"),
		pauses:      histograms("cut_pause_seconds", "How long commits of a table waited for the cut of a run.", pauseBuckets, "table"),
		recoveries:  counters("recoveries_total", "Restores of a table by how they ended, by hand or by themselves.", "outcome"),
		corruptions: counters("corruptions_total", "Times that damage was found in a table.", "table"),
		compactions: counters("compactions_total", "Runs of compaction by how they ended.", "status"),
		drills:      counters("drills_total", "Drills by how they ended.", "status"),
		verifies:    counters("verifies_total", "Verifications of the vault by how they ended.", "status"),
	}
	r.MustRegister(m.commits, m.commitErrors, m.writes, m.runs, m.runTime, m.runBytes, m.tableErrors, m.pauses,
		m.recoveries, m.corruptions, m.compactions, m.drills, m.verifies,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &hubCollector{hub: h})
	// From zero on, so that the first one is an increase.
	begin(m.runs, StatusComplete, StatusPartial, StatusFailed)
	begin(m.recoveries, StatusRestored, StatusFailed)
	begin(m.compactions, StatusComplete, StatusPartial, StatusFailed)
	begin(m.drills, StatusOK, StatusFailed)
	begin(m.verifies, StatusOK, StatusFailed)
	info := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: metricsPrefix, Name: "build_info", Help: "Always 1; what runs is in the labels.",
		ConstLabels: prometheus.Labels{"hub": h.cfg.Name, "version": Release, "go_version": runtime.Version()}})
	info.Set(1)
	r.MustRegister(info)
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metricsPrefix, Name: name, Help: help}, labels)
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: metricsPrefix, Name: name, Help: help, Buckets: buckets}, labels)
}

func begin(c *prometheus.CounterVec, statuses ...Status) {
	for _, s := range statuses {
		c.WithLabelValues(string(s))
	}
}

// committed returns what a table tells of its commits. It is called once a commit, on
// the way to the answer: it looks nothing up and takes no lock.
func (m *metrics) committed(table string) func(took time.Duration, writes int, err error) {
	commits, errs, writes := m.commits.WithLabelValues(table), m.commitErrors.WithLabelValues(table), m.writes.WithLabelValues(table)
	m.tableErrors.WithLabelValues(table)
	m.corruptions.WithLabelValues(table)
	return func(took time.Duration, n int, err error) {
		if err != nil {
			errs.Inc()
			return
		}
		commits.Observe(took.Seconds())
		writes.Add(float64(n))
	}
}

// saw counts an event.
func (m *metrics) saw(e Event) {
	switch e.Type {
	case bus.BackupComplete, bus.BackupFailed:
		if run, err := Decode[Run](e); err == nil {
			m.ran(run)
		}
	case bus.RecoveryComplete:
		m.recoveries.WithLabelValues(string(StatusRestored)).Inc()
	case bus.RecoveryFailed:
		m.recoveries.WithLabelValues(string(StatusFailed)).Inc()
	case bus.CorruptionDetected:
		if c, err := Decode[Corruption](e); err == nil {
			m.corruptions.WithLabelValues(c.Table).Inc()
		}
	case bus.CompactionComplete, bus.CompactionFailed:
		if c, err := Decode[Compaction](e); err == nil {
			m.compactions.WithLabelValues(string(c.Status)).Inc()
		}
	case bus.DrillComplete:
		m.drills.WithLabelValues(string(StatusOK)).Inc()
	case bus.DrillFailed:
		m.drills.WithLabelValues(string(StatusFailed)).Inc()
	case bus.VerifyComplete:
		if r, err := Decode[Report](e); err == nil {
			m.verifies.WithLabelValues(string(r.Status)).Inc()
		}
	}
}

func (m *metrics) ran(run Run) {
	m.runs.WithLabelValues(string(run.Status)).Inc()
	m.runTime.Observe(run.DurationMS / 1e3)
	m.runBytes.Add(float64(run.Bytes))
	for _, r := range run.Results {
		if r.Status != StatusOK {
			m.tableErrors.WithLabelValues(r.Table).Inc()
		}
		if r.PauseMS > 0 || r.Status == StatusOK { // else it did not pin
			m.pauses.WithLabelValues(r.Table).Observe(r.PauseMS / 1e3)
		}
	}
}
