package web

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
	"golang.org/x/time/rate"
)

// SessionCookie is the name of the cookie that stands for a token in a browser, whose
// EventSource can send no header.
const SessionCookie = "brock_session"

// Wrong tokens that a login says no to in so many words; beyond that it is 429.
const (
	wrongBurst = 10
	wrongEvery = 3 * time.Second
)

func newWrong() *rate.Limiter { return rate.NewLimiter(rate.Every(wrongEvery), wrongBurst) }

// About is what a client that has logged in is told of the hub.
type About struct {
	Hub     string    `json:"hub"`
	Release string    `json:"release"`
	Started time.Time `json:"started_at"`
}

// sessionRoutes begin, show and end a browser's session.
func (s *Server) sessionRoutes() []Route {
	const path = "/api/session"
	return []Route{
		{Method: http.MethodPost, Path: path, Login: true, Body: 4 << 10, Handler: http.HandlerFunc(s.login)},
		{Method: http.MethodGet, Path: path, Role: bus.Viewer, Handler: Answer(func(r *http.Request, _ []byte) (int, any, error) {
			return http.StatusOK, struct {
				Role bus.Role `json:"role"`
				About
			}{AskedOf(r.Context()).Role, s.cfg.About}, nil
		})},
		{Method: http.MethodDelete, Path: path, Role: bus.Viewer, Handler: http.HandlerFunc(s.logout)},
	}
}

// login takes a token and answers with a session's cookie.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	body, err := bodyOf(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	var asked struct {
		Token string `json:"token"`
	}
	if road.Decode(body, &asked) != nil { // its error may repeat what is there
		fail(w, r, &bus.Error{Code: "invalid", Status: http.StatusBadRequest, Message: `a login is {"token": "…"}; brock env prints a token`})
		return
	}
	k, known := s.cfg.Keys.find(asked.Token)
	if !known {
		s.wrongToken(w, r)
		return
	}
	AskedOf(r.Context()).Role = k.role
	if before, ok := sessionOf(r); ok {
		s.sessions.stop(before)
	}
	s.setCookie(w, s.sessions.start(k), 0)
	w.WriteHeader(http.StatusNoContent)
}

// wrongToken refuses a login. A right token comes in whatever others try, or anybody on
// the machine could lock its owner out; there is nothing to gain by guessing 256 bits.
func (s *Server) wrongToken(w http.ResponseWriter, r *http.Request) {
	now := s.cfg.Wall.Now()
	turn := s.wrong.ReserveN(now, 1)
	if wait := turn.DelayFrom(now); wait > 0 {
		turn.CancelAt(now)
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
		refuse(w, r, &bus.Error{Code: bus.CodeTooManyRequests, Status: http.StatusTooManyRequests, Message: "too many wrong tokens were tried; wait a little, and copy the one that brock env prints"})
		return
	}
	refuse(w, r, &bus.Error{Code: "unauthorized", Status: http.StatusUnauthorized, Message: "the token is nobody's; brock env prints the one of a role"})
}

// logout ends the session whose cookie came along.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if value, ok := sessionOf(r); ok {
		s.sessions.stop(value)
	}
	s.setCookie(w, "", -1)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: SessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.cfg.TLS != nil})
}

// sessionOf returns the value of the request's session cookie.
func sessionOf(r *http.Request) (value string, ok bool) {
	c := r.CookiesNamed(SessionCookie)
	if len(c) != 1 || c[0].Value == "" { // two would leave open which one counts
		return "", false
	}
	return c[0].Value, true
}
