package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
)

// tablesRequest is the body of most requests; an empty one asks for all tables.
type tablesRequest struct {
	Tables []string `json:"tables"`
}

// runRequest is the body of run.
type runRequest struct {
	Run string `json:"run"`
}

// How many callers of one endpoint may wait at once.
const (
	backupLimit = 16_384
	heavyLimit  = 64
)

// What app/remote may do with a hub and embedders need not see.
func init() {
	road.AppendLine = appendLine
	road.Of = func(hub any) road.Hub {
		h := hub.(*Hub)
		return road.Hub{Endpoints: h.endpoints, Import: h.importLines}
	}
}

// endpoints are the hub's requests, on every road the same. trigger says on which
// road they come.
func (h *Hub) endpoints(trigger string) []bus.Endpoint {
	return []bus.Endpoint{
		{Name: "backup", Limit: backupLimit, Handler: h.backupEndpoint(trigger)},
		{Name: "health", Handler: func(ctx context.Context, _ []byte) (any, error) { return h.Health(ctx), nil }},
		{Name: "list", Handler: on(func(ctx context.Context, r tablesRequest) (any, error) {
			return outcome(h.List(ctx, r.Tables...))
		})},
		{Name: "run", Handler: on(func(ctx context.Context, r runRequest) (any, error) {
			if r.Run == "" {
				return nil, fmt.Errorf("%w: name the run: {\"run\": \"…\"}", ErrInvalid)
			}
			return outcome(h.Run(ctx, r.Run))
		})},
		{Name: "verify", Limit: heavyLimit, Handler: on(func(ctx context.Context, r tablesRequest) (any, error) {
			return outcome(h.Verify(ctx, r.Tables...))
		})},
		{Name: "drill", Limit: heavyLimit, Handler: on(func(ctx context.Context, r tablesRequest) (any, error) {
			return outcome(h.Drill(ctx, r.Tables...))
		})},
		{Name: "restore", Limit: heavyLimit, Handler: on(func(ctx context.Context, r RestoreRequest) (any, error) {
			return outcome(h.Restore(ctx, r))
		})},
		{Name: "compact", Limit: heavyLimit, Handler: on(func(ctx context.Context, r tablesRequest) (any, error) {
			return outcome(h.compact(ctx, trigger, r.Tables))
		})},
		{Name: "alert", Limit: heavyLimit, Handler: func(ctx context.Context, _ []byte) (any, error) {
			return outcome(h.TestAlert(ctx))
		}},
		{Name: "credentials.rotate", Handler: on(h.rotateEndpoint)},
		{Name: "records.get", Handler: on(h.getRecord)},
		{Name: "records.put", Handler: on(h.putRecord)},
		{Name: "records.delete", Handler: on(h.deleteRecords)},
		{Name: "records.count", Handler: on(h.countRecords)},
		{Name: "records.scan", Handler: on(h.scanRecords)},
		{Name: "records.tail", Handler: on(h.tail)},
		{Name: "records.import", Handler: func(ctx context.Context, body []byte) (any, error) {
			n, err := h.importLines(ctx, body)
			if err != nil {
				return nil, importError(err)
			}
			return importReply{n}, nil
		}},
	}
}

// backupEndpoint answers a partial run with the run, a failed one with an error
// that has the run's fields too.
func (h *Hub) backupEndpoint(trigger string) bus.Handler {
	return on(func(ctx context.Context, r tablesRequest) (any, error) {
		run, err := h.group.Backup().Backup(ctx, trigger, r.Tables...)
		var partial *RunError
		if errors.As(err, &partial) {
			if run.Status == StatusFailed {
				return nil, &bus.Error{Code: "backup_failed", Status: http.StatusInternalServerError, Message: err.Error(), Body: run}
			}
			return run, nil
		}
		return outcome(run, err)
	})
}

// importError keeps the number of the wrong line beside the message, for clients
// that send a file in pieces.
func importError(err error) error {
	out := road.Error(err)
	var l *road.LineError
	if errors.As(err, &l) {
		out.Body = map[string]any{"line": l.Line, "problem": l.Err.Error()}
	}
	return out
}

// on makes a handler of a function over a typed body. An empty body is the zero
// request; unknown fields, and what stands behind the object, are refused.
func on[T any](f func(context.Context, T) (any, error)) bus.Handler {
	return func(ctx context.Context, body []byte) (any, error) {
		var req T
		if len(bytes.TrimSpace(body)) > 0 {
			if err := road.Decode(body, &req); err != nil {
				return nil, road.Error(fmt.Errorf("%w request: %w", ErrInvalid, err))
			}
		}
		v, err := f(ctx, req)
		if err != nil {
			return nil, road.Error(err)
		}
		return v, nil
	}
}

// outcome passes a result on as it is where only parts of it failed: its status says so.
func outcome[T any](v T, err error) (any, error) {
	var failed *FailedError
	if errors.As(err, &failed) {
		err = nil
	}
	return v, err
}
