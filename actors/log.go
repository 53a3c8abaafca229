package actors

import (
	"context"
	"log/slog"
)

// levelled passes on only what is at or above a level: protoactor tells of every
// actor's start at Info.
type levelled struct {
	slog.Handler
	min slog.Level
}

func (l levelled) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= l.min && l.Handler.Enabled(ctx, level)
}

func (l levelled) WithAttrs(a []slog.Attr) slog.Handler {
	return levelled{l.Handler.WithAttrs(a), l.min}
}

func (l levelled) WithGroup(name string) slog.Handler {
	return levelled{l.Handler.WithGroup(name), l.min}
}
