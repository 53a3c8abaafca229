package harness

import (
	"bytes"
	"log/slog"
	"sync"
)

// logKept bounds what of a hub's log a failed test shows: its end.
const logKept = 256 << 10

// logBuffer keeps the end of a log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if extra := b.text.Len() + len(p) - logKept; extra > 0 {
		b.text.Next(extra)
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
