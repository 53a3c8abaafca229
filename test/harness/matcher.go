package harness

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
)

// Matcher tells events apart. Make one with [Event] or the functions named after
// events, and narrow it with [Matcher.With] and [Matcher.Where].
type Matcher struct {
	what  string
	match func(app.Event) bool
}

func (m Matcher) enter(e *expectation) { e.wanted = append(e.wanted, m) }

// String says what is matched.
func (m Matcher) String() string { return m.what }

// Event matches the events of a type.
func Event(typ bus.EventType) Matcher {
	return Matcher{what: string(typ), match: func(e app.Event) bool { return e.Type == typ }}
}

// With matches only events that have the value in that field of their JSON.
func (m Matcher) With(field string, value any) Matcher {
	want, err := json.Marshal(value)
	return m.Where(fmt.Sprintf("%s %s", field, want), func(e app.Event) bool {
		var fields map[string]json.RawMessage
		return err == nil && e.Decode(&fields) == nil && bytes.Equal(fields[field], want)
	})
}

// Where matches only events for which f holds; what says so in a failure.
func (m Matcher) Where(what string, f func(app.Event) bool) Matcher {
	return Matcher{what: m.what + " (" + what + ")", match: func(e app.Event) bool { return m.match(e) && f(e) }}
}

// of narrows to a field, unless the value is empty.
func (m Matcher) of(field, value string) Matcher {
	if value == "" {
		return m
	}
	return m.With(field, value)
}

// BackupStarted matches the beginning of a run; "" is any run.
func BackupStarted(run string) Matcher { return Event(bus.BackupStarted).of("run", run) }

// BackupComplete matches a run in which at least one table succeeded; "" is any run.
func BackupComplete(run string) Matcher { return Event(bus.BackupComplete).of("run", run) }

// BackupFailed matches a run in which no table succeeded; "" is any run.
func BackupFailed(run string) Matcher { return Event(bus.BackupFailed).of("run", run) }

// RecoveryComplete matches a restore of the table; "" is any table.
func RecoveryComplete(table string) Matcher { return Event(bus.RecoveryComplete).of("table", table) }

// RecoveryFailed matches a failed restore of the table; "" is any table.
func RecoveryFailed(table string) Matcher { return Event(bus.RecoveryFailed).of("table", table) }

// TableDegraded matches a table that serves, but started empty; "" is any table.
func TableDegraded(table string) Matcher { return Event(bus.TableDegraded).of("table", table) }

// CorruptionDetected matches damage found in the table; "" is any table.
func CorruptionDetected(table string) Matcher {
	return Event(bus.CorruptionDetected).of("table", table)
}
