package alert

import (
	"context"
	"net/http"
	"time"
)

const defaultBeat = time.Minute

// StartHeartbeat begins to ask the heartbeat's URL, where one is configured, as long as
// alive says so. It is called once.
func (s *Sender) StartHeartbeat(alive func(context.Context) bool) {
	if s == nil || s.o.Config.Heartbeat == "" {
		return
	}
	s.alive.Store(&alive)
	s.work.Go(s.keepBeating)
}

func (s *Sender) keepBeating() {
	every := s.o.Config.HeartbeatEvery
	if every == 0 {
		every = defaultBeat
	}
	log, told := s.o.Logger.With("channel", heartbeatName(s.o.Config.Heartbeat)), ""
	for {
		switch err := s.beat(s.life); {
		case s.life.Err() != nil:
			return
		case err == nil && told != "":
			log.Info("the heartbeat goes out again")
			told = ""
		case err != nil && told != err.Error():
			told = err.Error()
			log.Warn("the heartbeat did not go out", "err", err)
		}
		timer := s.o.Wall.NewTimer(every)
		select {
		case <-timer.Chan():
		case <-s.quit:
			timer.Stop()
			return
		}
	}
}

// beat asks the heartbeat's URL once, unless not all is well.
func (s *Sender) beat(ctx context.Context) error {
	if alive := s.alive.Load(); alive == nil || !(*alive)(ctx) {
		return errHeld
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.Config.Heartbeat, nil)
	if err != nil {
		return hidden(err)
	}
	return s.request(req)
}
