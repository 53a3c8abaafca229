package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What differs from one demo to the next.
var (
	demoPlaces = regexp.MustCompile(`\S+/brock-demo-\d+`)
	demoRuns   = regexp.MustCompile(`run [0-9a-v]{12}`)
	demoHashes = regexp.MustCompile(`sha256 [0-9a-f]+`)
	demoTimes  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z`)
	demoSizes  = regexp.MustCompile(`\d[\d,.]*( (µs|ms|s|B|kB|MB)\b)?`)
)

// alike are the lines without what differs, sorted: events come when they come.
func alike(text string) []string {
	for _, r := range []*regexp.Regexp{demoPlaces, demoRuns, demoHashes, demoTimes, demoSizes} {
		text = r.ReplaceAllString(text, "#")
	}
	return slices.Sorted(strings.SplitSeq(strings.TrimSpace(text), "\n"))
}

// The README shows the demo with nothing left out.
func TestTheReadmeShowsTheDemo(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, ok := strings.Cut(string(readme), "nothing left out:\n\n```\n")
	require.True(t, ok)
	shown, _, ok = strings.Cut(shown, "\n```")
	require.True(t, ok)
	code, out, errs := brock(t, "", "demo")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, alike(out), alike(shown))
}
