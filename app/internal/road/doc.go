// Package road has what all roads to a hub share, the command's, NATS and HTTP: where
// a hub is found, and how errors and records look outside. Package app uses it from
// below and app/remote from above; embedders need not see it.
package road

import (
	"context"

	"github.com/brockdb/brock/bus"
)

// Hub is what a hub does for those who ask it from outside.
type Hub struct {
	// Endpoints are the requests that it answers; the trigger says on which road they come.
	Endpoints func(trigger string) []bus.Endpoint
	// Import writes records from JSON lines, as remote.Import describes.
	Import func(ctx context.Context, lines []byte) (int, error)
}

// Of returns it for a *app.Hub. Package app sets it before anyone can have one: app is
// above, so this package cannot name its type.
var Of func(hub any) Hub
