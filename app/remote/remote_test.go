package remote_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

// A hub of this process answers as one over NATS does, and its directory tells who it is.
func TestAHubIsFoundAndAsked(t *testing.T) {
	ctx := context.Background()
	data := filepath.Join(t.TempDir(), "data")
	_, running, err := remote.Find(data)
	require.NoError(t, err)
	require.False(t, running)
	hub, err := app.Open(ctx, app.Config{Data: data, Tables: []string{"a"}, Logger: slog.New(slog.DiscardHandler), MinFree: -1})
	require.NoError(t, err)
	defer func() { require.NoError(t, hub.Close(ctx)) }()
	found, running, err := remote.Find(data)
	require.NoError(t, err)
	require.True(t, running)
	require.Equal(t, hub.NATSURL(), found.NATSURL)
	creds, err := remote.LoadCredentials(data)
	require.NoError(t, err)
	require.Equal(t, hub.Credentials(), creds)

	client, err := bus.Dial(ctx, found.NATSURL, creds.Admin, bus.Admin)
	require.NoError(t, err)
	defer client.Close()
	roads := map[string]func(endpoint string, body, out any) error{
		"call": func(endpoint string, body, out any) error { return remote.Call(ctx, hub, endpoint, body, out) },
		"nats": func(endpoint string, body, out any) error {
			return client.Request(ctx, found.Hub, endpoint, body, out)
		},
	}
	for name, ask := range roads {
		var done struct{ Records int }
		require.NoError(t, ask("records.import", []byte(`{"table":"a","key":"k","value":1}`), &done), name)
		require.Equal(t, 1, done.Records, name)
		var n struct{ Tables []remote.TableCount }
		require.NoError(t, ask("records.count", nil, &n), name)
		require.Equal(t, []remote.TableCount{{Table: "a", Records: 1}}, n.Tables, name)
		err := ask("backup", map[string][]string{"tables": {"b"}}, nil)
		require.ErrorIs(t, err, &bus.Error{Code: "unknown_table"}, name)
		err = ask("list", map[string]int{"misspelt": 1}, nil)
		require.ErrorIs(t, err, &bus.Error{Code: "invalid"}, name)
	}
	require.ErrorIs(t, remote.Call(ctx, hub, "nothing", nil, nil), &bus.Error{Code: "invalid"})
	require.ErrorContains(t, remote.Call(ctx, hub, "list", func() {}, nil), "encode")
}

func TestErrorsLookTheSameEverywhere(t *testing.T) {
	e := remote.Error(&app.UnavailableError{Table: "a", Err: app.ErrLost})
	require.Equal(t, &bus.Error{Code: "unavailable", Status: 503, Table: "a", Message: e.Message}, e)
	require.Same(t, e, remote.Error(errors.Join(e)))
	require.Equal(t, "internal", remote.Error(errors.New("?")).Code)
}
