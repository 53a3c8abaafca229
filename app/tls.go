package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// TLS names the files of the certificate that NATS and HTTP show, in PEM. They are read
// again when they change, without a restart.
type TLS struct {
	Cert string // the certificate, followed by those between it and the authority's
	Key  string // its private key
	CA   string // the authority's certificate, for commands on this machine; may be empty
}

// certChecks is how long a handshake trusts that the files are the same.
const certChecks = time.Second

// on says whether there is to be TLS.
func (t TLS) on() bool { return t.Cert != "" || t.Key != "" }

// checkDoors says what is wrong with the addresses: what other machines can reach must
// be encrypted.
func (c Config) checkDoors() error {
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return fmt.Errorf("%w configuration: TLS needs both files, tls_cert and tls_key", ErrInvalid)
	}
	if err := c.checkWebSocket(); err != nil || c.Offline || c.TLS.on() {
		return err
	}
	for _, a := range []struct{ what, addr string }{{"NATS", c.NATSAddr}, {"HTTP", c.HTTPAddr}} {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			continue // who listens reports it
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("%w: the %s address %q can be reached from other machines, and nothing would be encrypted; set tls_cert and tls_key, or use 127.0.0.1", ErrNotLoopback, a.what, a.addr)
		}
	}
	return nil
}

// checkWebSocket says what is wrong with the door for browsers.
func (c Config) checkWebSocket() error {
	if c.NATS != nil && c.WebSocket.Addr != "" {
		return fmt.Errorf("%w configuration: WebSocket is the embedded server's; on a NATS connection of yours, ask your server for it", ErrInvalid)
	}
	err := c.WebSocket.Validate(c.TLS.on())
	if err == nil || errors.Is(err, ErrNotLoopback) {
		return err
	}
	return fmt.Errorf("%w configuration: %w", ErrInvalid, err)
}

// certificate is the pair of files as it was when it last was good.
type certificate struct {
	files TLS
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	good    *tls.Certificate
	stamp   string // of the files that were last read, good or bad
	checked time.Time
}

// openCertificate reads the files, which must be good now.
func openCertificate(files TLS, now func() time.Time, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, now: now}
	stamp, err := c.stamps()
	if err == nil {
		c.good, err = c.load()
	}
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	c.stamp, c.checked = stamp, now()
	return c, nil
}

// config is a server's.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.current(), nil
	}}
}

// current returns the newest good certificate.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.checked); since >= 0 && since < certChecks {
		return c.good
	}
	c.checked = now
	stamp, err := c.stamps()
	if err == nil && stamp == c.stamp {
		return c.good
	}
	fresh := c.good
	if err == nil {
		fresh, err = c.load()
	}
	switch {
	case err != nil && stamp != c.stamp:
		c.log.Error("the new certificate cannot be used; the old one stays", "err", err)
	case err == nil:
		c.good = fresh
		c.log.Info("a new certificate is in use", "file", c.files.Cert, "until", fresh.Leaf.NotAfter)
	}
	c.stamp = stamp
	return c.good
}

func (c *certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// stamps tell files from changed ones; those that are not there have one too.
func (c *certificate) stamps() (stamp string, err error) {
	for _, name := range []string{c.files.Cert, c.files.Key} {
		info, e := os.Stat(name)
		if e != nil {
			err = e
			stamp += "missing;"
			continue
		}
		stamp += stampOf(info)
	}
	return stamp, err
}

func stampOf(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d;", info.Size(), info.ModTime().UnixNano())
}

// name is what clients on this machine, who come by address, shall ask the certificate for.
func (c *certificate) name() string {
	leaf := c.current().Leaf
	switch {
	case leaf == nil:
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return ""
}

// openTLS reads the certificate, where there is to be one.
func (h *Hub) openTLS() (err error) {
	if !h.cfg.TLS.on() || h.cfg.Offline {
		return nil
	}
	h.cert, err = openCertificate(h.cfg.TLS, time.Now, h.log)
	return err
}

// tls is the configuration of a listener, nil for none.
func (h *Hub) tls() *tls.Config {
	if h.cert == nil {
		return nil
	}
	return h.cert.config()
}
