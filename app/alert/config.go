package alert

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/brockdb/brock/storage"
)

// Config says where alarms go. The zero Config sends none. Printing or logging one
// shows no secret.
type Config struct {
	// Webhooks get each alarm as a POST of its JSON.
	Webhooks []Webhook
	// Command is a program with its arguments, run for each alarm with the JSON on its
	// standard input, for at most 30 s; no shell is involved.
	Command []string
	// Heartbeat is a URL that is asked with GET while all is well, for a service that
	// calls somebody when it is not.
	Heartbeat string
	// HeartbeatEvery is how often; default 1 min, at least 1 s.
	HeartbeatEvery time.Duration
}

// Webhook is a receiver of alarms.
type Webhook struct {
	URL string // http or https; its user, path and query are taken for secrets
	// Secret signs what is sent, as https://www.standardwebhooks.com says: whsec_ and the
	// base64 of 16 to 64 bytes, or that without whsec_. Empty: nothing is signed.
	Secret string
}

// Any says whether alarms go anywhere.
func (c Config) Any() bool { return len(c.Webhooks) > 0 || len(c.Command) > 0 }

// Validate says what is wrong, without the secrets in it. The error matches
// [storage.ErrInvalid].
func (c Config) Validate() error {
	for i, w := range c.Webhooks {
		if _, err := parseURL(w.URL); err != nil {
			return fmt.Errorf("%w configuration: alert webhook %d: %w", storage.ErrInvalid, i+1, err)
		}
		if _, err := decodeSecret(w.Secret); err != nil {
			return fmt.Errorf("%w configuration: alert webhook %d: %w", storage.ErrInvalid, i+1, err)
		}
		for j, earlier := range c.Webhooks[:i] {
			if earlier.URL == w.URL {
				return fmt.Errorf("%w configuration: alert webhooks %d and %d are the same", storage.ErrInvalid, j+1, i+1)
			}
		}
	}
	if len(c.Command) > 0 && c.Command[0] == "" {
		return fmt.Errorf("%w configuration: the alert command is empty", storage.ErrInvalid)
	}
	if c.HeartbeatEvery != 0 && c.HeartbeatEvery < time.Second {
		return fmt.Errorf("%w configuration: a heartbeat every %v is too often; once a second is the most", storage.ErrInvalid, c.HeartbeatEvery)
	}
	if c.Heartbeat == "" {
		return nil
	}
	if _, err := parseURL(c.Heartbeat); err != nil {
		return fmt.Errorf("%w configuration: heartbeat: %w", storage.ErrInvalid, err)
	}
	return nil
}

// parseURL does not quote what it cannot read: it may be half a secret.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("it is no http or https URL")
	}
	return u, nil
}

// host is what may be told of a URL.
func host(text string) string {
	u, err := parseURL(text)
	if err != nil {
		return "?"
	}
	return u.Host
}

func decodeSecret(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < 16 || len(key) > 64 {
		return nil, fmt.Errorf("its secret is not the base64 of 16 to 64 bytes; make one with: openssl rand -base64 32")
	}
	return key, nil
}

// String hides the secrets.
func (c Config) String() string {
	var to []string
	for _, w := range c.Webhooks {
		to = append(to, w.String())
	}
	if len(c.Command) > 0 {
		to = append(to, commandName(c.Command))
	}
	if c.Heartbeat != "" {
		to = append(to, heartbeatName(c.Heartbeat))
	}
	return "alerts to [" + strings.Join(to, ", ") + "]"
}

// GoString hides the secrets from %#v.
func (c Config) GoString() string { return c.String() }

// LogValue hides the secrets from slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String hides the secrets.
func (w Webhook) String() string { return "webhook " + host(w.URL) }

// GoString hides the secrets from %#v.
func (w Webhook) GoString() string { return w.String() }

// LogValue hides the secrets from slog.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

func commandName(command []string) string { return "command " + filepath.Base(command[0]) }
func heartbeatName(u string) string       { return "heartbeat " + host(u) }
