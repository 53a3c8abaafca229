package actors

import "time"

const (
	// soon is how long an overdue run waits after a start, so that the hub can settle.
	soon = 2 * time.Second
	// armedFor is how long a timer runs at most before it looks at the clock again: timers
	// do not notice when the clock is set, or the machine has slept.
	armedFor = time.Minute
)

// arm sets the timer for the next scheduled run. It goes on from the last run, not
// from the start of the process, so restarts neither reset nor skip it.
func (a *backupActor) arm() {
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.cfg.Schedule == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.cfg.Wall.Now()
	next := a.next(now)
	if next.IsZero() { // it never comes
		a.nextRun = next
		return
	}
	if earliest := now.Add(soon); next.Before(earliest) {
		next = earliest
	}
	a.nextRun = next
	a.wait(next, now)
}

// next is when the schedule comes next. A last run that lies in the future was made while
// the clock was wrong, or it was set back since: that repeats no run, and leaves out one
// at most. The caller holds mu.
func (a *backupActor) next(now time.Time) time.Time {
	next := a.cfg.Schedule.Next(a.lastRun.Local()) // cron expressions mean the local time
	if a.lastRun.After(now) {
		first := a.cfg.Schedule.Next(now.Local())
		if next.After(a.cfg.Schedule.Next(first)) {
			return first
		}
	}
	return next
}

// wait lets a scheduleMsg come when it is time, by the clock. The caller holds mu.
func (a *backupActor) wait(next, now time.Time) {
	epoch := a.mine
	a.timer = a.cfg.Wall.AfterFunc(min(next.Sub(now), armedFor), func() { a.send(&scheduleMsg{epoch}) })
}

// due says whether it is time for the scheduled run; where it is not, it waits again.
func (a *backupActor) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.cfg.Wall.Now()
	if !now.Before(a.nextRun) {
		return true
	}
	if next := a.next(now); next.After(now) { // else it is overdue, and nextRun is soon
		a.nextRun = next
	}
	a.wait(a.nextRun, now)
	if now = a.cfg.Wall.Now(); now.Before(a.nextRun) {
		return false
	}
	return a.timer.Stop() // it came while the timer was set
}
