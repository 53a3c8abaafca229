package changelog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// complainEvery is how often the same complaint is logged again while its reason lasts:
// an outage of a night, looked at each second, must not fill the log.
const complainEvery = time.Minute

// The complaints.
const (
	cannotWrite = "the change log cannot be written; it is tried again"
	cannotMerge = "segments of the change log could not be merged; it is tried again"
	hasBreak    = "the change log has a break; the next backup closes it"
	waitsFor    = "the change log waits for a table"
)

type complaint struct{ text, table string }

// complaints knows when what was said last.
type complaints struct {
	mu sync.Mutex
	at map[complaint]time.Time
}

// complain logs what is wrong, now and then. table may be "".
func (s *Shipper) complain(level slog.Level, text, table string, err error) {
	now := s.cfg.Wall.Now()
	c := &s.said
	c.mu.Lock()
	last, said := c.at[complaint{text, table}]
	if said = said && now.Sub(last) >= 0 && now.Sub(last) < complainEvery; !said {
		if c.at == nil {
			c.at = map[complaint]time.Time{}
		}
		c.at[complaint{text, table}] = now
	}
	c.mu.Unlock()
	if said {
		return
	}
	args := []any{"err", err, "waiting_bytes", s.owed.Load()}
	if table != "" {
		args = append(args, "table", table)
	}
	s.log.Log(context.Background(), level, text, args...)
}

// eased forgets a complaint, and says whether there was one.
func (s *Shipper) eased(text, table string) bool {
	s.said.mu.Lock()
	defer s.said.mu.Unlock()
	_, was := s.said.at[complaint{text, table}]
	delete(s.said.at, complaint{text, table})
	return was
}
