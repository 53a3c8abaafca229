package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
)

// asker answers requests: a hub over NATS, or the directories themselves.
type asker interface {
	ask(ctx context.Context, endpoint string, req, out any) error
	close() error
}

// connect finds who answers, with the least role that suffices.
func (c *cli) connect(ctx context.Context, role bus.Role) (asker, error) {
	for end := time.Now().Add(lockPatience); ; {
		a, err := c.connectOnce(ctx, role)
		busy := errors.Is(err, app.ErrRunning) || errors.Is(err, bus.ErrUnreachable)
		if !busy || time.Now().After(end) {
			return a, err
		}
		time.Sleep(lockPause)
	}
}

func (c *cli) connectOnce(ctx context.Context, role bus.Role) (asker, error) {
	p, running, err := c.find()
	if err != nil {
		return nil, err
	}
	if running {
		return c.dial(ctx, p, role)
	}
	return c.openOffline(ctx)
}

// ask connects, asks one question, and leaves.
func (c *cli) ask(ctx context.Context, role bus.Role, endpoint string, req, out any) (err error) {
	a, err := c.connect(ctx, role)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	return a.ask(ctx, endpoint, req, out)
}

// find looks for the hub that runs on the data directory, which must exist.
func (c *cli) find() (p remote.Presence, running bool, err error) {
	if err := c.requireData(); err != nil {
		return p, false, err
	}
	return remote.Find(c.data)
}

// requireData makes sure that a mistyped directory does not become a new hub.
func (c *cli) requireData() error {
	for _, name := range []string{"tables.json", "brock.lock"} {
		if _, err := os.Stat(filepath.Join(c.data, name)); err == nil {
			return nil
		}
	}
	what := "does not exist"
	if _, err := os.Stat(c.data); err == nil {
		what = "is no data directory of Brock"
	}
	return &bus.Error{Code: "no_data", Status: http.StatusNotFound, Message: fmt.Sprintf(
		"%s %s; name the data directory with --data, or start a hub there with brock serve (a vault alone is not enough)", c.data, what)}
}

// online asks a running hub.
type online struct {
	client *bus.Client
	hub    string
}

func (c *cli) dial(ctx context.Context, p remote.Presence, role bus.Role) (*online, error) {
	creds, err := remote.LoadCredentials(c.data)
	if err != nil {
		return nil, fmt.Errorf("the credentials of the hub on %s cannot be read: %w", c.data, err)
	}
	cred, ok := creds.Role(role)
	if !ok {
		return nil, usagef("there is no role %q; the roles are viewer, operator and admin", role)
	}
	if p.NATSURL == "" {
		return nil, fmt.Errorf("the hub on %s (pid %d) uses a NATS server that its program brought along; ask it there", c.data, p.PID)
	}
	trust, err := c.trust(p)
	if err != nil {
		return nil, err
	}
	client, err := bus.Dial(ctx, p.NATSURL, cred, role, trust)
	if err != nil {
		return nil, fmt.Errorf("the hub on %s (pid %d) does not answer: %w", c.data, p.PID, err)
	}
	return &online{client, p.Hub}, nil
}

// trust says which certificate the hub must show, nil where it shows none. The hub runs
// on this machine and its directory is ours, so that it tells which name to ask for: the
// address need not be in the certificate.
func (c *cli) trust(p remote.Presence) (*tls.Config, error) {
	if !strings.HasPrefix(p.NATSURL, "tls:") {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.TLSName}
	file := c.tlsCA
	if file == "" {
		file = p.TLSCA
	}
	if file == "" {
		return out, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate cannot be read: %w", err)
	}
	out.RootCAs = x509.NewCertPool()
	if !out.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("%s holds no certificate in PEM", file)
	}
	return out, nil
}

func (o *online) ask(ctx context.Context, endpoint string, req, out any) error {
	return o.client.Request(ctx, o.hub, endpoint, req, out)
}

func (o *online) close() error {
	o.client.Close()
	return nil
}

// directories are absolute, so that the paths in results mean something elsewhere.
func (c *cli) directories() (data, vault string) {
	if c.vault != "" {
		vault = absolute(c.vault)
	}
	return absolute(c.data), vault
}

// lockPatience is how long to wait for commands that hold the directory briefly.
const (
	lockPatience = 3 * time.Second
	lockPause    = 50 * time.Millisecond
)

// openHub opens a hub. Other commands hold the directory's lock for a moment
// while they look for a hub or work offline, so it tries for a while.
func openHub(ctx context.Context, cfg app.Config) (*app.Hub, error) {
	closeFiles()
	for end := time.Now().Add(lockPatience); ; {
		hub, err := app.Open(ctx, cfg)
		if !errors.Is(err, app.ErrRunning) || time.Now().After(end) || ctx.Err() != nil {
			return hub, err
		}
		time.Sleep(lockPause)
	}
}

// closeTimeout bounds how long a hub takes to stop.
const closeTimeout = 30 * time.Second

// tablesRequest is the body of most requests; without tables it asks for all.
type tablesRequest struct {
	Tables []string `json:"tables,omitempty"`
}
