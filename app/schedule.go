package app

import (
	"fmt"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/robfig/cron/v3"
)

// schedule parses the schedule; nil is none.
func (c Config) schedule() (actors.Schedule, error) {
	if c.Schedule == "off" || c.Offline {
		return nil, nil
	}
	s, err := cron.ParseStandard(c.Schedule)
	if err != nil {
		return nil, fmt.Errorf("%w schedule %q: %w; use five cron fields, @daily, @every 10m or off", ErrInvalid, c.Schedule, err)
	}
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() { // of a leap year
		return nil, fmt.Errorf("%w schedule %q: no such day ever comes; off makes no backups", ErrInvalid, c.Schedule)
	}
	if spec, ok := s.(*cron.SpecSchedule); ok && spec.Hour&everyHour != everyHour {
		return byTheClock{spec}, nil
	}
	return s, nil
}

// everyHour are the hours of a day, as cron's parser sets them.
const everyHour = 1<<24 - 1

// byTheClock is a schedule that names hours, and so means what a clock on the wall shows:
// each time it names comes once a day, also on the days on which the clock is put forward
// or back. What is left out then comes at the moment of the change, and of what comes
// twice the first counts. (The parser's own schedule leaves out the one and runs the other
// twice. A schedule for every hour it gets right: an hour is an hour.)
type byTheClock struct{ spec *cron.SpecSchedule }

// Next implements [actors.Schedule].
func (s byTheClock) Next(after time.Time) time.Time {
	loc := s.spec.Location
	if loc == time.Local { // none is named
		loc = after.Location()
	}
	spec := *s.spec
	spec.Location = time.UTC
	for shown := face(after.In(loc)); ; {
		if shown = spec.Next(shown); shown.IsZero() {
			return shown
		}
		if at := firstShown(shown, loc); at.After(after) {
			return at.In(after.Location())
		}
	}
}

// face is what a clock shows, as a time without changes of the clock.
func face(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstShown returns when the clocks of a place first show the time, or where they leave
// it out the moment at which they are put forward over it.
func firstShown(shown time.Time, loc *time.Location) time.Time {
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), 0, loc)
	begins, ends := at.ZoneBounds()
	switch shows := face(at); {
	case shows.After(shown):
		return begins
	case shows.Before(shown):
		return ends
	}
	if !begins.IsZero() {
		_, offset := at.Zone()
		_, before := begins.Add(-time.Second).Zone()
		earlier := at.Add(time.Duration(offset-before) * time.Second)
		if earlier.Before(at) && face(earlier).Equal(shown) {
			return earlier
		}
	}
	return at
}
