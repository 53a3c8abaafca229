package bus

import "strings"

// answerable refuses replies that would act: the asker chooses the reply
// subject, and the hub may publish where the asker may not. It also stops
// messages that JetStream was told to deliver to a request subject.
func answerable(reply string) bool {
	return reply != "" && reply != SubjectEvents &&
		!strings.HasPrefix(reply, SubjectEvents+".") &&
		!strings.HasPrefix(reply, "brock.") &&
		!strings.HasPrefix(reply, "$")
}

// admit counts c in, or says why not.
func (s *service) admit(c *call) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := int64(len(c.body))
	switch {
	case s.draining:
		return &Error{Code: CodeShuttingDown, Status: 503, Message: "the hub is stopping; ask again when it is back"}
	case c.endpoint.working >= c.endpoint.Limit, s.bodies > 0 && s.bodies+size > maxBodies:
		return &Error{Code: CodeTooManyRequests, Status: 429, Message: "too many requests wait for " + c.endpoint.Name + "; try again later"}
	}
	c.endpoint.working++
	s.bodies += size
	s.working[c] = struct{}{}
	return nil
}

func (s *service) finished(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.endpoint.working--
	s.bodies -= int64(len(c.body))
	delete(s.working, c)
	if len(s.working) == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// untilIdle returns a channel that is closed when no request is under way.
func (s *service) untilIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.working) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}

// abandon answers the requests whose handlers still run; what these return
// later is dropped.
func (s *service) abandon() {
	s.mu.Lock()
	var left []*call
	for c := range s.working {
		left = append(left, c)
	}
	s.mu.Unlock()
	for _, c := range left {
		s.log.Error("a request handler ignores that the service stops", "endpoint", c.endpoint.Name)
		c.answer(nil, stoppedError())
	}
}

func stoppedError() *Error {
	return &Error{Code: CodeShuttingDown, Status: 503, Message: "the hub stopped before this was done; ask again when it is back"}
}
