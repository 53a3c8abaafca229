package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage/disk"
)

// openCredentials loads the credentials, or makes them at the first start.
func (h *Hub) openCredentials() (err error) {
	path := h.path(credentialsFile)
	var rotten error
	h.creds, rotten, err = readTwin[bus.Credentials](h.fs(), path)
	if errors.Is(err, fs.ErrNotExist) {
		h.creds, err = bus.NewCredentials(), nil
	}
	if err != nil {
		return fmt.Errorf("%w: put a copy back, or remove it and its copy for new credentials", err)
	}
	h.rotted(path, rotten)
	return writeTwin(h.fs(), path, h.creds)
}

func readCredentials(fsys disk.FS, data string) (c bus.Credentials, err error) {
	return c, road.ReadJSON(fsys, filepath.Join(data, credentialsFile), &c)
}

// Credentials returns the credentials of the hub's roles. Keep them secret.
func (h *Hub) Credentials() Credentials {
	h.credsMu.Lock()
	defer h.credsMu.Unlock()
	return h.creds
}

// RotateCredentials makes new passwords and tokens for the roles, of all where none is
// named. When it returns they stand in credentials.json, the old ones let nobody in, and
// connections that were made with them are cut. The hub's own stay.
func (h *Hub) RotateCredentials(ctx context.Context, roles ...Role) error {
	done, err := h.rotate(ctx, roles)
	if err == nil {
		err = done()
	}
	return err
}

// rotate writes new credentials and lets them in over HTTP; done does so over NATS,
// which cuts the asker off.
func (h *Hub) rotate(ctx context.Context, roles []Role) (done func() error, err error) {
	if len(roles) == 0 {
		roles = bus.Roles()
	}
	for _, role := range roles {
		if !slices.Contains(bus.Roles(), role) {
			return nil, fmt.Errorf("%w: there is no role %.40q; the roles are %v", ErrInvalid, role, bus.Roles())
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.credsMu.Lock()
	defer h.credsMu.Unlock()
	creds := h.creds.Rotate(roles...)
	if err := writeTwin(h.fs(), h.path(credentialsFile), creds); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	h.takeCredentials(creds)
	h.log.Info("new credentials", "roles", roles)
	return func() error { return h.admitOverNATS() }, nil
}

// ReloadCredentials takes up what somebody wrote into credentials.json. Where that is
// wrong, the old ones go on counting.
func (h *Hub) ReloadCredentials(context.Context) error {
	h.credsMu.Lock()
	creds, err := readCredentials(h.fs(), h.cfg.Data)
	if err == nil {
		err = creds.Validate()
	}
	if err != nil {
		h.credsMu.Unlock()
		return fmt.Errorf("credentials: %w; the old ones go on counting", err)
	}
	h.takeCredentials(creds)
	h.credsMu.Unlock()
	h.log.Info("credentials read again")
	return h.admitOverNATS()
}

// takeCredentials makes them count over HTTP. The caller holds credsMu.
func (h *Hub) takeCredentials(creds Credentials) {
	h.creds = creds
	h.doors.keys.Set(creds)
}

// admitOverNATS makes the hub's credentials count over NATS.
func (h *Hub) admitOverNATS() error {
	if h.server == nil {
		return nil
	}
	return h.server.SetCredentials(h.Credentials())
}

// rotateRequest is the body of credentials.rotate; an empty one asks for all roles.
type rotateRequest struct {
	Roles []Role `json:"roles"`
}

// rotateReply says whose credentials are new, and where they are.
type rotateReply struct {
	Roles []Role `json:"roles"`
	File  string `json:"file"`
}

func (h *Hub) rotateEndpoint(ctx context.Context, r rotateRequest) (any, error) {
	done, err := h.rotate(ctx, r.Roles)
	if err != nil {
		return nil, err
	}
	if len(r.Roles) == 0 {
		r.Roles = bus.Roles()
	}
	return bus.Reply{Value: rotateReply{r.Roles, h.path(credentialsFile)}, Then: func() {
		if err := done(); err != nil {
			h.log.Error("the new credentials do not count over NATS yet; restart the hub", "err", err)
		}
	}}, nil
}
