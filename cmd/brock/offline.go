package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/brockdb/brock/app"
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
	hub, err := app.Open(ctx, app.Config{Data: data, Vault: vault, Offline: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return &offline{hub}, nil
}

func (o *offline) ask(ctx context.Context, endpoint string, req, out any) error {
	body, err := encode(req)
	if err != nil {
		return err
	}
	reply, err := o.hub.Call(ctx, "cli", endpoint, body)
	if err != nil || out == nil {
		return err
	}
	b, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

func (o *offline) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return o.hub.Close(ctx)
}

// encode makes a request's body; bytes go as they are, as the client sends them.
func encode(req any) ([]byte, error) {
	switch req := req.(type) {
	case nil:
		return nil, nil
	case []byte:
		return req, nil
	}
	return json.Marshal(req)
}
