package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// hubCollector looks up, for each scrape, how things are.
type hubCollector struct{ hub *Hub }

// The metrics that are looked up.
var (
	upDesc       = describe("table_up", "Whether the table serves.", "table")
	statusDesc   = describe("table_status", "1 for the status that the table has.", "table", "status")
	recordsDesc  = describe("table_records", "Live records.", "table")
	liveDesc     = describe("table_live_bytes", "Bytes of the keys and values of live records.", "table")
	fileDesc     = describe("table_file_bytes", "Bytes that the table's files occupy on the disk.", "table")
	fragmentDesc = describe("table_fragmentation_ratio", "Dead bytes over all bytes of the table.", "table")
	queueDesc    = describe("table_queue_depth", "Writes that wait for their commit.", "table")
	queueMemDesc = describe("table_queue_bytes", "Bytes of the writes that wait for their commit.", "table")
	commitsDesc  = describe("commits_total", "Commits of a table.", "table")

	healthDesc     = describe("health_status", "1 for the status that the hub's health has.", "status")
	backupDesc     = describe("last_backup_timestamp_seconds", "Start of the last run in which a table succeeded; 0: there was none.")
	nextDesc       = describe("next_backup_timestamp_seconds", "When the next scheduled run is due; there is none without a schedule.")
	snapshotDesc   = describe("last_snapshot_timestamp_seconds", "Cut of the table's newest snapshot; 0: there is none.", "table")
	proofDesc      = describe("last_proof_timestamp_seconds", "When a snapshot of the table was last proven to restore; 0: never.", "table")
	compactionDesc = describe("last_compaction_timestamp_seconds", "Start of the last run of compaction; 0: there was none.")
	diskFreeDesc   = describe("disk_free_bytes", "Bytes that are free on the disk of the data and of the vault.", "dir")
	diskSizeDesc   = describe("disk_size_bytes", "Bytes of the disk of the data and of the vault.", "dir")
	lookupDesc     = describe("lookup_timestamp_seconds", "When the vault last told what it holds.")

	logDesc     = describe("changelog_complete_timestamp_seconds", "The moment through which every serving table's commits are in the vault's change log.")
	waitingDesc = describe("changelog_waiting_bytes", "Bytes of commits that are not yet in the change log.")
	brokenDesc  = describe("changelog_broken", "Whether the change log has a break that no backup has closed.")

	connectedDesc = describe("bus_connected", "Whether the hub is connected to NATS.")
	pendingDesc   = describe("bus_pending_events", "Events that wait on the disk for NATS.")
	sentDesc      = describe("bus_sent_events_total", "Events that were delivered.")
	droppedDesc   = describe("bus_dropped_events_total", "Events that were given up because too many waited.")
)

var described []*prometheus.Desc

func describe(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(prometheus.BuildFQName(metricsPrefix, "", name), help, labels, nil)
	described = append(described, d)
	return d
}

// Describe implements [prometheus.Collector].
func (c *hubCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range described {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *hubCollector) Collect(out chan<- prometheus.Metric) {
	s := scrape{out}
	c.tables(s)
	c.bus(s)
	c.changeLog(s)
	if f := c.hub.lookups.latest(c.hub); f != nil {
		c.lookedUp(s, f)
	}
}

// scrape takes the figures of one scrape.
type scrape struct{ out chan<- prometheus.Metric }

func (s scrape) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s scrape) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

// at gives a moment in seconds, 0 where there is none.
func (s scrape) at(d *prometheus.Desc, t *time.Time, labels ...string) {
	v := 0.0
	if t != nil && !t.IsZero() {
		v = float64(t.UnixMicro()) / 1e6
	}
	s.gauge(d, v, labels...)
}

func (s scrape) is(d *prometheus.Desc, yes bool, labels ...string) {
	v := 0.0
	if yes {
		v = 1
	}
	s.gauge(d, v, labels...)
}

// tables gives what the tables know in memory.
func (c *hubCollector) tables(s scrape) {
	for _, t := range c.hub.group.Tables() {
		name := t.Name()
		l, err := t.Lease()
		s.is(upDesc, err == nil, name)
		if err == nil {
			s.gauge(liveDesc, float64(l.Ledger.Bytes), name)
			l.Release()
		}
		writes, bytes := t.Waiting()
		s.gauge(queueDesc, float64(writes), name)
		s.gauge(queueMemDesc, float64(bytes), name)
		var m dto.Metric
		if h, ok := c.hub.metrics.commits.WithLabelValues(name).(prometheus.Metric); ok && h.Write(&m) == nil {
			s.counter(commitsDesc, float64(m.Histogram.GetSampleCount()), name)
		}
	}
}

func (c *hubCollector) bus(s scrape) {
	if c.hub.bus == nil {
		return
	}
	st := c.hub.bus.Status()
	s.is(connectedDesc, st.Connected)
	s.gauge(pendingDesc, float64(st.Pending))
	s.counter(sentDesc, float64(st.Sent))
	s.counter(droppedDesc, float64(st.Dropped))
}

func (c *hubCollector) changeLog(s scrape) {
	if c.hub.shipper == nil {
		return
	}
	st := c.hub.shipper.Status()
	if st.Through > 0 {
		through := st.Through.Time()
		s.at(logDesc, &through)
	}
	s.gauge(waitingDesc, float64(st.Waiting))
}

// vault gives what the vault told last; nothing where it never did: 0 would be never.
func (c *hubCollector) vault(s scrape, v *vaultFigures) {
	if v.at.IsZero() {
		return
	}
	s.at(lookupDesc, &v.at)
	s.at(backupDesc, v.backup)
	for _, t := range v.tables {
		s.at(snapshotDesc, t.LastSnapshotAt, t.Table)
		s.at(proofDesc, t.LastProvenAt, t.Table)
	}
}

// lookedUp gives what had to be read from a disk.
func (c *hubCollector) lookedUp(s scrape, f *lookup) {
	c.vault(s, &f.vault)
	for _, status := range []HealthStatus{HealthOK, HealthWarning, HealthUnhealthy} {
		s.is(healthDesc, f.health.Status == status, string(status))
	}
	s.at(compactionDesc, f.health.LastCompactionAt)
	if next, ok := c.hub.NextBackup(); ok {
		s.at(nextDesc, &next)
	}
	for _, t := range f.health.Tables {
		for _, status := range []TableStatus{Serving, Unavailable, Degraded, Restoring} {
			s.is(statusDesc, t.Status == status, t.Table, string(status))
		}
		if t.Status == Unavailable {
			continue // it has no figures, and 0 would be one
		}
		s.gauge(recordsDesc, float64(t.RecordCount), t.Table)
		s.gauge(fileDesc, float64(t.FileSizeBytes), t.Table)
		s.gauge(fragmentDesc, t.Fragmentation, t.Table)
	}
	for _, d := range f.disks {
		s.gauge(diskFreeDesc, float64(d.free), d.dir)
		s.gauge(diskSizeDesc, float64(d.size), d.dir)
	}
	if c.hub.shipper != nil {
		s.is(brokenDesc, f.broken)
	}
}
