package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/brockdb/brock/bus"
)

// Answer makes a handler of a function that answers with a status and a value, as JSON,
// or with an error, a [*bus.Error] for choosing how it looks.
func Answer(f func(r *http.Request, body []byte) (status int, v any, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := bodyOf(w, r)
		if err != nil {
			fail(w, r, err)
			return
		}
		status, v, err := f(r, body)
		if err != nil {
			fail(w, r, err)
			return
		}
		reply(w, r, status, v)
	})
}

// Stream makes a handler of a function that answers for long. An error is for what went
// wrong before the first byte.
func Stream(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			fail(w, r, err)
		}
	})
}

// bodyOf reads the request's body.
func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unreadable(err)
	}
	patient(w) // the request is in: what now takes its time is the work, not the client
	return body, nil
}

func unreadable(err error) error {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return &bus.Error{Code: "too_large", Status: http.StatusRequestEntityTooLarge, Message: "the request's body is too large"}
	case errors.As(err, &slow) && slow.Timeout():
		return &bus.Error{Code: "timeout", Status: http.StatusRequestTimeout, Message: "the request's body did not arrive in time"}
	}
	return &bus.Error{Code: "invalid", Status: http.StatusBadRequest, Message: "the request's body cannot be read"}
}

// refuse is the doors' answer.
func refuse(w http.ResponseWriter, r *http.Request, e *bus.Error) {
	AskedOf(r.Context()).Refused = true
	fail(w, r, e)
}

// fail answers with an error, in the form that it has on every road.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	e := &bus.Error{Code: bus.CodeInternal, Message: err.Error()}
	_ = errors.As(err, &e)
	status := e.Status
	if status < 400 {
		status = http.StatusInternalServerError
	}
	if status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	AskedOf(r.Context()).Code = e.Code
	reply(w, r, status, e)
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, r *http.Request, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		AskedOf(r.Context()).Code = bus.CodeInternal
		status = http.StatusInternalServerError
		b.Reset()
		_ = enc.Encode(&bus.Error{Code: bus.CodeInternal, Message: "the answer cannot be written as JSON"})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = w.Write(b.Bytes()) // a client that left reads nothing
}
