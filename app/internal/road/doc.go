// Package road has what all roads to a hub share, the command's, NATS and HTTP: where
// a hub is found, and how errors and records look outside. Package app uses it from
// below and app/remote from above; embedders need not see it.
package road

import (
	"context"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
)

// Hub is what a hub does for those who ask it from outside.
type Hub struct {
	// Endpoints are the requests that it answers; the trigger says on which road they come.
	Endpoints func(trigger string) []bus.Endpoint
	// Import writes records from JSON lines, as remote.Import describes.
	Import func(ctx context.Context, lines []byte) (int, error)
}

// AppendLine writes a record as import reads it. Package app sets it, as Of.
var AppendLine func(b []byte, table string, r storage.Record) []byte

// ScratchDir is the folder in the data directory for what is not to stay. A start of
// the hub removes what begins with [disk.TempPrefix] in it.
const ScratchDir = "scratch"

// Of returns it for a *app.Hub. Package app sets it before anyone can have one: app is
// above, so this package cannot name its type.
var Of func(hub any) Hub
