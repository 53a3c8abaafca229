// Package remote is the plumbing of the brock command: it finds the hub that runs on a
// data directory, asks one that this process has open as NATS clients ask, and gives
// errors the form that they have outside. A program that embeds a hub needs none of it.
package remote

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
)

// Presence is <data>/hub.json: how a command finds the hub that runs on a data
// directory. It is gone after a clean stop, and stale when brock.lock is free.
type Presence = road.Presence

// Find returns the presence of the hub that runs on the data directory. ok is false
// when none does; a file that a killed hub left behind does not count. The error
// matches [app.ErrRunning] where one runs that cannot be asked.
func Find(data string) (p Presence, ok bool, err error) { return road.Find(data) }

// LoadCredentials reads the credentials of the data directory.
func LoadCredentials(data string) (bus.Credentials, error) { return road.LoadCredentials(data) }

// Error gives an error the form that it has on every road: code, status and message.
// One that has it already passes.
func Error(err error) *bus.Error { return road.Error(err) }

// Call asks a hub of this process as [bus.Client.Request] asks one over NATS: the
// endpoint is a name such as "backup" or "records.get", the body bytes or what
// marshals to JSON. Errors from the hub are *bus.Error.
func Call(ctx context.Context, hub *app.Hub, endpoint string, body, out any) error {
	data, err := encode(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	for _, e := range road.Of(hub).Endpoints(actors.TriggerCLI) {
		if e.Name != endpoint {
			continue
		}
		reply, err := e.Handler(ctx, data)
		if r, ok := reply.(bus.Reply); ok {
			reply = r.Value
			defer r.Then()
		}
		if err != nil || out == nil {
			return err
		}
		b, err := json.Marshal(reply)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, out)
	}
	return Error(fmt.Errorf("%w: no endpoint %q", app.ErrInvalid, endpoint))
}

// encode makes a request's body; bytes go as they are, as the client sends them.
func encode(body any) ([]byte, error) {
	switch body := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return body, nil
	}
	return json.Marshal(body)
}
