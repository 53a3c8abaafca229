package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// maxAnswer is how much of an answer is read, and thrown away.
const maxAnswer = 64 << 10

// newClient returns a client that follows no redirect: what it sends is signed for one
// receiver. Alarms are rare, so connections are not kept.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &http.Client{Transport: transport, Timeout: requestWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post sends alarms to a webhook.
func (s *Sender) post(w Webhook) func(context.Context, Alarm) error {
	key, _ := decodeSecret(w.Secret) // it is valid
	return func(ctx context.Context, a Alarm) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(a.Body))
		if err != nil {
			return hidden(err)
		}
		at := strconv.FormatInt(s.o.Wall.Now().Unix(), 10)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("webhook-id", a.ID)
		req.Header.Set("webhook-timestamp", at)
		if key != nil {
			req.Header.Set("webhook-signature", sign(key, a.ID, at, a.Body))
		}
		return s.request(req)
	}
}

// sign is the signature of the Standard Webhooks specification.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// request asks, and judges the answer by its status alone.
func (s *Sender) request(req *http.Request) error {
	req.Header.Set("User-Agent", s.o.Agent)
	res, err := s.client.Do(req)
	if err != nil {
		return hidden(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fmt.Errorf("%s redirects (%d), which is not followed; name the address it redirects to", req.URL.Host, code)
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return fmt.Errorf("%s answered %d %s", req.URL.Host, code, http.StatusText(code))
	default:
		return rejected{fmt.Errorf("%s answered %d %s", req.URL.Host, code, http.StatusText(code))}
	}
}

// hidden is an error without the URL, which may hold secrets.
func hidden(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	if u.Timeout() {
		return fmt.Errorf("no answer within %v", requestWithin)
	}
	return u.Err
}
