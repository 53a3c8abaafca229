package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/brockdb/brock/app"
)

// Expectation is an argument of [Harness.Expect]: a [Matcher] of an event that
// must come, [Not] of events that must not come before, or [Within].
type Expectation interface{ enter(*expectation) }

// expectation is what one call of Expect waits for.
type expectation struct {
	within time.Duration
	wanted []Matcher
	banned []Matcher
}

type within time.Duration

func (w within) enter(e *expectation) { e.within = time.Duration(w) }

// Within bounds how long [Harness.Expect] waits; without it, half a minute.
func Within(d time.Duration) Expectation { return within(d) }

type not []Matcher

func (n not) enter(e *expectation) { e.banned = append(e.banned, n...) }

// Not names events that must not come before the last one that is expected.
func Not(events ...Matcher) Expectation { return not(events) }

// Expect waits until the expected events have come, in the given order, whatever
// comes between them, and returns the last. It goes on where the last call ended,
// so what came meanwhile counts. It never sleeps: it returns with the event. When
// a banned one comes, or not all in time, the test fails and shows what did come.
func (h *Harness) Expect(expectations ...Expectation) app.Event {
	h.t.Helper()
	x := expectation{within: patience}
	for _, e := range expectations {
		e.enter(&x)
	}
	if len(x.wanted) == 0 {
		h.t.Fatalf("harness: nothing is expected; Not needs an event that ends the wait")
	}
	e, problem := h.events.await(x)
	if problem != "" {
		h.t.Fatalf("harness: %s", problem)
	}
	return e
}

// await returns the last of the wanted events, or what went wrong.
func (l *eventLog) await(x expectation) (app.Event, string) {
	timeout := time.NewTimer(x.within)
	defer timeout.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	from, wanted, late := l.next, x.wanted, false
	for i := from; ; {
		for ; i < len(l.events); i++ {
			e := l.events[i]
			if m, is := anyOf(x.banned, e); is {
				return e, fmt.Sprintf("%s came before %s%s", m, wanted[0], l.tell(from))
			}
			if !wanted[0].match(e) {
				continue
			}
			if wanted = wanted[1:]; len(wanted) == 0 {
				l.next = i + 1
				return e, ""
			}
		}
		if l.broken != nil {
			return app.Event{}, fmt.Sprintf("no events can come: %v%s", l.broken, l.tell(from))
		}
		if late {
			return app.Event{}, fmt.Sprintf("no %s within %v%s", wanted[0], x.within, l.tell(from))
		}
		more := l.more
		l.mu.Unlock()
		select {
		case <-more:
		case <-timeout.C:
			late = true
		}
		l.mu.Lock()
	}
}

func anyOf(matchers []Matcher, e app.Event) (Matcher, bool) {
	for _, m := range matchers {
		if m.match(e) {
			return m, true
		}
	}
	return Matcher{}, false
}

// tell lists what came since the last call of Expect.
func (l *eventLog) tell(from int) string {
	if from == len(l.events) {
		return "; nothing came"
	}
	var b strings.Builder
	b.WriteString("; what came:")
	for _, e := range l.events[from:] {
		detail := string(e.Detail)
		if len(detail) > 400 {
			detail = detail[:400] + "…"
		}
		fmt.Fprintf(&b, "\n  %s %s %s", e.Time().Format("15:04:05.000"), e.Type, detail)
	}
	return b.String()
}
