package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
)

// offline works on the directories itself.
type offline struct{ hub *app.Hub }

func (c *cli) openOffline(ctx context.Context) (*offline, error) {
	if c.vault != "" {
		if _, err := os.Stat(c.vault); err != nil {
			return nil, fmt.Errorf("vault: %w; name it with --vault, or start a hub with it: brock serve --vault %s", err, c.vault)
		}
	}
	data, vault := c.directories()
	closeFiles()
	hub, err := app.Open(ctx, app.Config{Data: data, Vault: vault, Offline: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return &offline{hub}, nil
}

func (o *offline) ask(ctx context.Context, endpoint string, req, out any) error {
	return remote.Call(ctx, o.hub, endpoint, req, out)
}

func (o *offline) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return o.hub.Close(ctx)
}
