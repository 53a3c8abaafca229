package road

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/disk"
)

// Names in the data directory.
const (
	LockFile        = "brock.lock"
	HubFile         = "hub.json"
	CredentialsFile = "credentials.json"
)

// ErrRunning says that another hub has the data directory open.
var ErrRunning = errors.New("another hub runs on this data directory")

// Presence is <data>/hub.json: how a command finds the hub that runs on a data
// directory. It is gone after a clean stop, and stale when brock.lock is free.
type Presence struct {
	Hub          string    `json:"hub"`
	PID          int       `json:"pid"`
	StartedAt    time.Time `json:"started_at"`
	NATSURL      string    `json:"nats_url"`
	HTTPURL      string    `json:"http_url"`
	WebSocketURL string    `json:"ws_url,omitempty"`   // where browsers speak NATS
	TLSName      string    `json:"tls_name,omitempty"` // that the certificate is for; the addresses may not be in it
	TLSCA        string    `json:"tls_ca,omitempty"`   // the file with the authority's certificate
}

// Find returns the presence of the hub that runs on the data directory. ok is false
// when none does; a file that a killed hub left behind does not count. The error
// matches [ErrRunning] where one runs that cannot be asked.
func Find(data string) (p Presence, ok bool, err error) {
	l, err := disk.TryLock(filepath.Join(data, LockFile))
	switch {
	case err == nil:
		return p, false, l.Unlock()
	case errors.Is(err, fs.ErrNotExist):
		return p, false, nil
	case !errors.Is(err, disk.ErrLocked):
		return p, false, err
	}
	if err := ReadJSON(disk.OS, filepath.Join(data, HubFile), &p); err != nil {
		return p, false, fmt.Errorf("%w, but it cannot be asked (it starts, stops, or works offline): %w", ErrRunning, err)
	}
	return p, true, nil
}

// LoadCredentials reads the credentials of the data directory.
func LoadCredentials(data string) (c bus.Credentials, err error) {
	return c, ReadJSON(disk.OS, filepath.Join(data, CredentialsFile), &c)
}

// ReadJSON reads a file; the error matches fs.ErrNotExist where there is none.
func ReadJSON(fsys disk.FS, path string, v any) error {
	b, err := disk.ReadFile(fsys, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
