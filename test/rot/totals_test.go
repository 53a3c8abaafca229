package rot

import (
	"fmt"
	"strings"
)

// liveTotals are the outcomes of all harm.
type liveTotals struct {
	n, deaths, running int
	stale              int // harm by which older values were read for a while
	kinds              map[string]int
	outcomes           map[string]int
	found              map[string]int
	notes              []string
}

func newLiveTotals() *liveTotals {
	return &liveTotals{kinds: map[string]int{}, outcomes: map[string]int{}, found: map[string]int{}}
}

func (l *liveTotals) died(h harm, says string) {
	l.deaths++
	for line := range strings.Lines(says) {
		if strings.HasPrefix(line, "panic:") || strings.Contains(line, "fatal") || strings.Contains(line, "SIG") {
			l.notes = append(l.notes, fmt.Sprintf("died of %v: %s", h, strings.TrimSpace(line)))
			return
		}
	}
	l.notes = append(l.notes, fmt.Sprintf("died of %v: %.300s", h, says))
}

func (l *liveTotals) add(h harm, running bool, a answer) {
	l.n++
	if running {
		l.running++
	}
	if a.Stale > 0 {
		l.stale++
		l.notes = append(l.notes, fmt.Sprintf("%v: %d older values read, then found by %s", h, a.Stale, a.Found))
	}
	l.kinds[liveKind(h.File)]++
	outcome := "all served"
	for name, state := range a.Tables {
		switch {
		case strings.HasPrefix(state, "refused"):
			outcome = "a table refused"
			l.notes = append(l.notes, fmt.Sprintf("%v: %s: %.400s", h, name, state))
		case state == "healed" && outcome == "all served":
			outcome = "a table healed"
		}
	}
	if a.Refused != "" {
		outcome = "no start"
		l.notes = append(l.notes, fmt.Sprintf("%v: %.300s", h, a.Refused))
	}
	l.outcomes[outcome]++
	by := a.Found
	if by == "" {
		by = "nothing to find"
	}
	l.found[by]++
}

func (l *liveTotals) String() string {
	return fmt.Sprintf("%d times damaged (%d while the hub ran): %v; %d with older values read before it was found; %d deaths of the process; found first by: %v; files: %v\n%s", l.n, l.running, l.outcomes, l.stale, l.deaths, l.found, l.kinds,
		strings.Join(l.notes, "\n"))
}
