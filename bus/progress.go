package bus

import (
	"context"
	"sync/atomic"
)

// Progress is a hint about work under way. Done and Total are bytes.
type Progress struct {
	Run   string `json:"run"`
	Table string `json:"table"`
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

const progressBuffer = 256

// progressSender publishes progress from its own goroutine, because a publish
// can wait for the network.
type progressSender struct {
	nc      *Conn
	queue   chan Progress
	dropped atomic.Uint64
}

func newProgressSender(nc *Conn) *progressSender {
	return &progressSender{nc: nc, queue: make(chan Progress, progressBuffer)}
}

// offer queues p, or drops it.
func (s *progressSender) offer(p Progress) {
	select {
	case s.queue <- p:
	default:
		s.dropped.Add(1)
	}
}

func (s *progressSender) run(ctx context.Context) {
	for {
		select {
		case p := <-s.queue:
			if !s.nc.IsConnected() || ProgressEvents.publish(s.nc, p) != nil {
				s.dropped.Add(1)
			}
		case <-ctx.Done():
			return
		}
	}
}
