package bus

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog gives nats-server a logger that cannot end the process, and keeps
// the first thing that it called fatal.
type serverLog struct {
	log     *slog.Logger
	refused func(line string) bool // takes the lines that tell of a refusal
	once    sync.Once
	fatal   chan string // holds one
}

func newServerLog(log *slog.Logger, refused func(line string) bool) *serverLog {
	return &serverLog{log: log, refused: refused, fatal: make(chan string, 1)}
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(line(format, v)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(line(format, v)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(line(format, v)) }

// Errorf lowers refusals, of which anybody who reaches the port can cause any number.
func (l *serverLog) Errorf(format string, v ...any) {
	if l.refused(strings.TrimSpace(fmt.Sprintf(format, v...))) {
		l.log.Debug(line(format, v))
		return
	}
	l.log.Error(line(format, v))
}

// Warnf lowers warnings about what was chosen with open eyes: passwords are 256
// random bits and need no bcrypt, large payloads carry imports, and without TLS
// WebSocket is on loopback.
func (l *serverLog) Warnf(format string, v ...any) {
	text := line(format, v)
	if strings.Contains(text, "Plaintext passwords") || strings.Contains(text, "Maximum payloads") || strings.Contains(text, "Websocket not configured with TLS") {
		l.log.Debug(text)
		return
	}
	l.log.Warn(text)
}

// Fatalf logs and remembers; unlike every stock logger it returns.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := line(format, v)
	l.log.Error(text, "fatal", true)
	l.once.Do(func() { l.fatal <- text })
}

func line(format string, v []any) string {
	return "nats-server: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}
