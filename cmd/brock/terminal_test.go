package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

// screen is what was drawn so far.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) shows(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.b.String(), text)
}

func TestBarsShowBytesRateAndTimeLeft(t *testing.T) {
	leakFree(t)
	var s screen
	c := &cli{err: &s, errLook: look{terminal: true}}
	b := c.newBars()
	b.show("jobs", 0, 10_000)
	b.show("jobs", 4000, 10_000)
	b.show("pipe", 2000, 0)
	for _, text := range []string{"jobs", "4.0 kB / 10 kB", "/s", "left", "pipe", "2.0 kB"} {
		require.Eventually(t, func() bool { return s.shows(text) }, 10*time.Second, time.Millisecond, text)
	}
	b.show("jobs", 12_000, 11_000) // more than was thought
	b.show("mail", 0, 1)
	b.end()
}

func TestNobodyLooksNothingIsDrawn(t *testing.T) {
	var s screen
	c := &cli{out: &s, err: &s}
	c.outLook = c.lookOf(&s)
	b := c.newBars()
	b.show("jobs", 1, 2)
	b.end()
	c.showProgress(context.Background(), &offline{}, "copy")()
	require.Empty(t, s.b.String())
	require.Equal(t, "failed", c.outLook.paint("failed"))
}

func TestGridAlignsWhatHasColours(t *testing.T) {
	var s screen
	c := &cli{out: &s, outLook: look{colours: true}}
	g := c.grid("TABLE", "STATUS", ">RECORDS", "")
	g.row("jöbs", "ok", "1,234")
	g.row("m", "failed", "-", "it\nbroke\x1b[2J\tbadly")
	require.NoError(t, g.end())
	require.Equal(t, "TABLE  STATUS  RECORDS\n"+
		"jöbs   "+green+"ok"+reset+"        1,234\n"+
		"m      "+red+"failed"+reset+"        -  it broke[2J badly\n", s.b.String())
}

func TestEventLines(t *testing.T) {
	c := &cli{}
	for _, tt := range []struct{ typ, detail, want string }{
		{"backup_started", `{"run":"r1","tables_total":2,"trigger":"api"}`, "backup_started      run r1, 2 tables, trigger api"},
		{"backup_complete", `{"status":"partial","tables_total":2,"tables_success":1,"results":[{"table":"a","status":"error","error":"table a: it\nbroke"}]}`,
			"backup_complete     partial: 1 of 2 tables, 0 records, 0 B in 0 µs, pause 0 µs; a: it broke"},
		{"compaction_failed", `{"status":"failed","results":[{"table":"a","error":"x"},{"table":"b","error":"y"}]}`,
			"compaction_failed   failed: 2 tables in 0 µs; failed: a, b"},
		{"drill_failed", `{"checked":2,"proven":[{}],"problems":[{"table":"a","snapshot":"s","problem":"torn"},{}]}`,
			"drill_failed        1 of 2 snapshots proven in 0 µs; a s: torn, and 1 more"},
		{"recovery_complete", `{"table":"a","at":"2026-11-23T00:04:19.228Z","record_count":14,"later_commits":1}`,
			"recovery_complete   a restored to 2026-11-23 00:04:19.228Z, 14 records, 1 later commit left out"},
		{"table_degraded", `{"table":"a","reason":"slow"}`, "table_degraded      a: slow"},
		{"from_a_newer_hub", `{"table":7}`, `from_a_newer_hub    {"table":7}`},
	} {
		e := bus.Event{Type: bus.EventType(tt.typ), ID: "i", Hub: "h", Detail: []byte(tt.detail)}
		require.Equal(t, tt.want, c.eventLine(e))
	}
	c.outLook.colours = true
	require.Contains(t, c.eventLine(bus.Event{Type: bus.DrillFailed, ID: "i", Hub: "h"}), red+"drill_failed")
	require.Contains(t, c.eventLine(bus.Event{Type: bus.BackupComplete, ID: "i", Hub: "h"}), green+"backup_complete")
}
