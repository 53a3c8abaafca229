package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

func TestRangesAreALineATable(t *testing.T) {
	at := func(minute int) *time.Time {
		m := time.Date(2026, 11, 22, 21, minute, 0, 0, time.UTC)
		return &m
	}
	var out bytes.Buffer
	c := &cli{out: &out}
	c.printRanges(nil)
	require.Empty(t, out.String())
	c.printRanges([]app.Restorable{
		{Table: "jobs", ToAt: at(1)},
		{Table: "jobs", FromAt: at(3), ToAt: at(4)},
		{Table: "message_history", FromAt: at(2), ToAt: at(4)},
	})
	require.Equal(t, `
jobs             any moment from the beginning to 2026-11-22 21:01:00.000Z, then from 2026-11-22 21:03:00.000Z to 2026-11-22 21:04:00.000Z
message_history  any moment from 2026-11-22 21:02:00.000Z to 2026-11-22 21:04:00.000Z
`, out.String())
}
