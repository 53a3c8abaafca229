package app

import (
	"regexp"
	"slices"
	"strings"
)

const (
	worseAfter  = 2 // looks in a row until a turn for the worse counts
	betterAfter = 5 // and one for the better
)

// turns follows the health from look to look and says when it has turned. What comes
// and goes within a minute is no turn.
type turns struct {
	Status HealthStatus `json:"health_status"` // that was told last
	Kinds  []string     `json:"conditions"`    // that were told, without their figures

	worse, better int
	fresh, absent map[string]int // looks in a row
}

// look takes in what health says now. turned says that people should hear of it: the
// status is another one, or there is a new condition.
func (t *turns) look(now Health) (turned bool) {
	kinds := kindsOf(now.Conditions)
	known := func(k string) bool { return slices.Contains(t.Kinds, k) }
	var ripe []string
	if t.fresh, ripe = count(t.fresh, kinds, known, worseAfter); len(ripe) > 0 {
		t.Kinds, turned = append(t.Kinds, ripe...), true
	}
	var over []string
	here := func(k string) bool { return slices.Contains(kinds, k) }
	t.absent, over = count(t.absent, t.Kinds, here, betterAfter)
	t.Kinds = slices.DeleteFunc(slices.Clone(t.Kinds), func(k string) bool { return slices.Contains(over, k) })

	switch diff := rank(now.Status) - rank(t.Status); {
	case diff > 0:
		t.worse, t.better = t.worse+1, 0
	case diff < 0:
		t.worse, t.better = 0, t.better+1
	default:
		t.worse, t.better = 0, 0
	}
	if t.worse >= worseAfter || t.better >= betterAfter || turned && t.worse > 0 {
		t.Status, t.worse, t.better, turned = now.Status, 0, 0, true
	}
	return turned
}

// count counts the looks in a row for those that are not excepted, and returns those
// that have reached the limit.
func count(before map[string]int, all []string, except func(string) bool, limit int) (now map[string]int, reached []string) {
	now = map[string]int{}
	for _, k := range all {
		if except(k) {
			continue
		}
		if now[k] = before[k] + 1; now[k] >= limit {
			reached = append(reached, k)
		}
	}
	return now, reached
}

func rank(s HealthStatus) int {
	return slices.Index([]HealthStatus{HealthOK, HealthWarning, HealthUnhealthy}, s)
}

var figures = regexp.MustCompile(`(^| )\d\S*`)

// kindsOf are the conditions without what changes from look to look: figures, and the
// details behind a colon.
func kindsOf(conditions []string) []string {
	kinds := make([]string, len(conditions))
	for i, c := range conditions {
		c, degraded := strings.CutPrefix(c, "table degraded: ") // of which table, comes behind
		what, _, _ := strings.Cut(c, ": ")
		if degraded {
			what = "table degraded: " + what
		}
		kinds[i] = figures.ReplaceAllString(what, "${1}#")
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
