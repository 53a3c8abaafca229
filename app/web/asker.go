package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
)

// asker is who a request comes from.
type asker struct {
	key     key
	session string          // the cookie's value; "" for who brought a token
	life    context.Context // of the session
}

// identify finds out who asks: by the token, or where there is none by the session.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (asker, *bus.Error) {
	token, given := bearer(r)
	if k, known := s.cfg.Keys.find(token); known {
		return asker{key: k}, nil
	}
	challenge, message := `Bearer realm="brock"`, "a token is needed: Authorization: Bearer …; brock env prints one"
	value, cookie := sessionOf(r)
	switch {
	case given:
		challenge, message = challenge+`, error="invalid_token"`, "the token is nobody's; brock env prints the one of a role"
	case cookie:
		if k, life, ok := s.sessions.use(value); ok {
			return asker{key: k, session: value, life: life}, nil
		}
		message = "the session has ended; log in again"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	return asker{}, &bus.Error{Code: "unauthorized", Status: http.StatusUnauthorized, Message: message}
}

// own says whether a request that a browser sent a cookie with comes from the hub's own
// page. Of what changes something a browser always says where it comes from; other
// ports of the same host are the same site to it, and send the cookie too.
func own(r *http.Request) bool {
	site, sent := r.Header["Sec-Fetch-Site"]
	direct := len(site) == 1 && site[0] == "none" // typed into the address bar
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if sent && !(len(site) == 1 && site[0] == "same-origin" || reads && direct) {
		return false
	}
	origin, sent := r.Header["Origin"]
	if !sent {
		return reads
	}
	if len(origin) != 1 {
		return false
	}
	u, err := url.Parse(origin[0])
	return err == nil && u.Scheme != "" && strings.EqualFold(u.Host, r.Host)
}

// lasting returns a context for an answer that goes on: it ends with the request, with
// the listener, and when who asks may not come in any more.
func (s *Server) lasting(ctx context.Context, who asker) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.streams, cancel)
	release := func() {}
	if who.session != "" {
		unhookSession := context.AfterFunc(who.life, cancel)
		letGo := s.sessions.hold(who.session)
		release = func() { unhookSession(); letGo() }
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			change := s.cfg.Keys.change()
			if !s.cfg.Keys.has(who.key) {
				cancel()
				return
			}
			select {
			case <-change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-watched
		unhook()
		release()
	}
}

// patient takes the time limit off what the client sends: the server's is for requests
// that are answered at once, and would end the context of a longer one.
func patient(w http.ResponseWriter) { _ = http.NewResponseController(w).SetReadDeadline(time.Time{}) }
