package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/jonboulle/clockwork"
	"golang.org/x/time/rate"
)

// How much an audit writes at most. What is beyond that is counted, and the counts are
// written each minute: a flood must not fill disks, nor vanish.
const (
	auditBurst   = 60
	auditRefused = 5 * time.Second // between refusals, of all kinds together
	auditDone    = time.Second     // between requests of one kind
	auditHeld    = time.Minute
)

// auditOK is the outcome of what succeeded.
const auditOK = "ok"

// audit writes a line and a live event for each request from outside that was refused
// or may have changed something.
type audit struct {
	hub  string
	log  *slog.Logger
	wall actors.Wall

	mu      sync.Mutex
	send    func(bus.Audit) // nil before there is a bus
	refused *rate.Limiter
	done    map[auditKind]*rate.Limiter
	held    map[auditKind]*bus.Audit
	timer   clockwork.Timer // runs while something is held
	closed  bool
}

// auditKind is what is counted together. There are not many kinds: none of the fields is
// the client's to choose.
type auditKind struct{ road, role, what, outcome string }

func newAudit(hub string, log *slog.Logger, wall actors.Wall) *audit {
	return &audit{hub: hub, log: log, wall: wall, refused: rate.NewLimiter(rate.Every(auditRefused), auditBurst),
		done: map[auditKind]*rate.Limiter{}, held: map[auditKind]*bus.Audit{}}
}

// note writes a, or counts it. who, if not nil, finds out who asked, for what is written.
func (l *audit) note(a bus.Audit, refused bool, who func() (bus.Role, string)) {
	now := l.wall.Now()
	a.Hub, a.Timestamp, a.Count = l.hub, now.UnixMilli(), 1
	if a.ID == "" {
		a.ID = rand.Text()
	}
	if a.Role == "" {
		a.Role = "none"
	}
	if l.hold(a, refused, now) {
		return
	}
	if who != nil {
		if role, remote := who(); role != "" {
			a.Role, a.Remote = string(role), remote
		}
	}
	l.write(a)
}

// hold counts a where enough has been written.
func (l *audit) hold(a bus.Audit, refused bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := auditKind{a.Road, a.Role, a.What, a.Outcome}
	limit := l.refused
	if !refused {
		if limit = l.done[kind]; limit == nil {
			limit = rate.NewLimiter(rate.Every(auditDone), auditBurst)
			l.done[kind] = limit
		}
	}
	if l.closed || limit.AllowN(now, 1) {
		return false
	}
	if before := l.held[kind]; before != nil {
		a.Count += before.Count
	}
	l.held[kind] = &a
	if l.timer == nil {
		l.timer = l.wall.AfterFunc(auditHeld, l.flush)
	}
	return true
}

// flush writes what was counted.
func (l *audit) flush() {
	l.mu.Lock()
	held := l.held
	l.held, l.timer = map[auditKind]*bus.Audit{}, nil
	l.mu.Unlock()
	for _, a := range held {
		l.write(*a)
	}
}

func (l *audit) write(a bus.Audit) {
	if a.Tables == nil {
		a.Tables = []string{}
	}
	level := slog.LevelInfo
	if a.Outcome != auditOK {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "audit", "id", a.ID, "road", a.Road, "role", a.Role, "remote", a.Remote, "what", a.What,
		"tables", a.Tables, "outcome", a.Outcome, "count", a.Count)
	l.mu.Lock()
	send := l.send
	l.mu.Unlock()
	if send != nil {
		send(a)
	}
}

// sendTo lets live events out from now on.
func (l *audit) sendTo(send func(bus.Audit)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send = send
}

// close writes what was counted. What comes later is written at once.
func (l *audit) close() {
	l.mu.Lock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.flush()
}

// maxNamed is how many tables a line of the audit names at most.
const maxNamed = 16

// namedTables are the tables that a request names, for the audit: names that tables can
// have, each once, and not more than a line takes. A body may be JSON, or, of an import,
// a line of JSON for each record.
func namedTables(body []byte) []string {
	var out []string
	for in := json.NewDecoder(bytes.NewReader(body)); len(out) < maxNamed; {
		var named struct {
			Table  string   `json:"table"`
			Tables []string `json:"tables"`
		}
		if in.Decode(&named) != nil {
			break
		}
		for _, name := range append(named.Tables, named.Table) {
			if storage.CheckTableName(name) == nil && len(out) < maxNamed && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}
