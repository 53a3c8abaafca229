package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// Limits of sessions.
const (
	sessionIdle  = 12 * time.Hour // without a request or an open stream
	sessionLimit = 256            // at once; beyond it the one that was used longest ago ends
)

// sessionID is the hash of what the cookie holds: looking it up tells nothing of that.
type sessionID [sha256.Size]byte

// session stands for a token in a browser. It ends with the token.
type session struct {
	key     key
	used    time.Time
	streams int             // open ones keep it in use
	life    context.Context // ends with the session
	end     context.CancelFunc
}

// sessions are kept in memory: after a restart people log in again.
type sessions struct {
	keys *Keys
	wall clockwork.Clock
	mu   sync.Mutex
	open map[sessionID]*session
}

func newSessions(keys *Keys, wall clockwork.Clock) *sessions {
	return &sessions{keys: keys, wall: wall, open: map[sessionID]*session{}}
}

// start begins a session for a key and returns the cookie's value.
func (s *sessions) start(k key) string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	value := base64.RawURLEncoding.EncodeToString(raw[:])
	life, end := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if len(s.open) >= sessionLimit {
		s.drop(s.oldest())
	}
	s.open[sha256.Sum256([]byte(value))] = &session{key: k, used: s.wall.Now(), life: life, end: end}
	return value
}

// use returns the session's key and life, and counts it as used.
func (s *sessions) use(value string) (k key, life context.Context, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sessionID(sha256.Sum256([]byte(value)))
	one := s.open[id]
	if one == nil {
		return key{}, nil, false
	}
	if s.over(one) {
		s.drop(id)
		return key{}, nil, false
	}
	one.used = s.wall.Now()
	return one.key, one.life, true
}

// hold keeps a session in use while a stream is open.
func (s *sessions) hold(value string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[sha256.Sum256([]byte(value))]
	if one == nil {
		return func() {}
	}
	one.streams++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.streams--
		one.used = s.wall.Now()
	}
}

// stop ends a session, and the streams that it has open.
func (s *sessions) stop(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(sha256.Sum256([]byte(value)))
}

// over says whether a session has ended by itself. The caller holds the lock.
func (s *sessions) over(one *session) bool {
	return one.streams == 0 && s.wall.Since(one.used) >= sessionIdle || !s.keys.has(one.key)
}

// sweep forgets the sessions that are over. The caller holds the lock.
func (s *sessions) sweep() {
	for id, one := range s.open {
		if s.over(one) {
			s.drop(id)
		}
	}
}

// oldest is the session that was used longest ago; one with an open stream is in use. The
// caller holds the lock.
func (s *sessions) oldest() (id sessionID) {
	var found *session
	for i, one := range s.open {
		if found == nil || (one.streams > 0) == (found.streams > 0) && one.used.Before(found.used) || one.streams == 0 && found.streams > 0 {
			id, found = i, one
		}
	}
	return id
}

// drop forgets a session. The caller holds the lock.
func (s *sessions) drop(id sessionID) {
	if one := s.open[id]; one != nil {
		one.end()
		delete(s.open, id)
	}
}

// close ends all sessions.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.open {
		s.drop(id)
	}
}
