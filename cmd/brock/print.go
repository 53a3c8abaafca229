package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
)

// printJSON prints a shape as one line.
func (c *cli) printJSON(v any) error { return encodeJSON(c.out, v) }

// encodeJSON writes one line, with <, > and & as they are.
func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// say prints a line for people.
func (c *cli) say(format string, a ...any) { _, _ = fmt.Fprintf(c.out, format+"\n", a...) }

func size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func number[T int | int64 | uint64](n T) string { return humanize.Comma(int64(n)) }

// counted is a number and its noun.
func counted[T int | int64 | uint64](n T, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + one + "s"
}

// took is a duration in milliseconds for people.
func took(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.0f µs", 1000*ms)
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
}

// ago is how long it is since t; "never" for nil.
func ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	d := time.Since(*t)
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d m ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d d ago", int(d.Hours()/24))
}

// stamp is a moment for people, in UTC.
func stamp(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000Z")
}
