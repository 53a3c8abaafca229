package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	requestTimeout  = 5 * time.Second // one question to the server
	duplicateWindow = 24 * time.Hour
	consumerIdle    = time.Hour // consumers that nobody reads go away

	apiMessageTooLarge = 10054 // JetStream: "message size exceeds maximum allowed"
)

// How events leave. Unknown until the server was asked.
const (
	modeUnknown int32 = iota
	modeStream
	modeCore
)

// eventStream sends events into the stream BACKUPS, or as plain messages where
// the connection has no JetStream.
type eventStream struct {
	nc       *Conn
	js       jetstream.JetStream
	maxAge   time.Duration
	maxBytes int64
	required bool        // the embedded server: JetStream is there, or will be soon
	coreOnly bool        // never ask for JetStream
	lost     func() bool // whether the stream's files are gone from under the server; nil: nobody knows
	log      *slog.Logger
	mode     atomic.Int32
	stale    atomic.Bool // ask again before the next send
}

// ensure finds out whether there is JetStream, and makes or updates the stream.
func (s *eventStream) ensure(ctx context.Context) error {
	if s.coreOnly {
		s.mode.Store(modeCore)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := s.js.AccountInfo(ctx)
	if noJetStream(err) && !s.required {
		s.log.Warn("NATS has no JetStream: events are sent once to whoever listens, and kept nowhere")
		s.mode.Store(modeCore)
		return nil
	}
	if err != nil {
		return fmt.Errorf("bus: ask for JetStream: %w", err)
	}
	if s.lost != nil && s.lost() {
		switch err := s.js.DeleteStream(ctx, StreamName); {
		case err == nil:
			s.log.Warn("the event stream's files were gone; it is made anew, and what it held is lost", "stream", StreamName)
		case !errors.Is(err, jetstream.ErrStreamNotFound): // there is none yet
			return fmt.Errorf("bus: make stream %s anew: %w", StreamName, err)
		}
	}
	_, err = s.js.CreateOrUpdateStream(ctx, s.config())
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		// Another stream may hold the subject; then publishing still works.
		s.log.Warn("the event stream could not be made or updated", "stream", StreamName, "error", err)
	} else if err != nil {
		return fmt.Errorf("bus: make stream %s: %w", StreamName, err)
	}
	s.mode.Store(modeStream)
	return nil
}

// forget makes the next send ask again: another server may be there now.
func (s *eventStream) forget() { s.stale.Store(true) }

func (s *eventStream) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:           StreamName,
		Description:    "What happened to backups",
		Subjects:       []string{SubjectEvents}, // and no request subject: the stream would answer it
		Retention:      jetstream.LimitsPolicy,
		Discard:        jetstream.DiscardOld,
		Storage:        jetstream.FileStorage,
		MaxAge:         s.maxAge,
		MaxBytes:       s.maxBytes,
		Duplicates:     min(duplicateWindow, s.maxAge),
		AllowDirect:    true,
		ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: consumerIdle},
	}
}

// send delivers one event and returns when the server has it. doubt says that
// it may be there already. After any error the outcome is unknown.
func (s *eventStream) send(ctx context.Context, id string, data []byte, doubt bool) error {
	ctx, stop := whileConnected(ctx, s.nc)
	defer stop()
	if !s.nc.IsConnected() {
		s.forget()
		return errDisconnected
	}
	// A server whose store is gone goes on acknowledging what nobody will find later.
	gone := s.lost != nil && s.lost()
	if s.stale.Swap(false) || gone || s.mode.Load() == modeUnknown {
		if err := s.ensure(ctx); err != nil {
			s.forget()
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.sendOnce(ctx, id, data, doubt)
	if err != nil && !permanent(err) {
		s.forget()
	}
	return err
}

func (s *eventStream) sendOnce(ctx context.Context, id string, data []byte, doubt bool) error {
	msg := &nats.Msg{Subject: SubjectEvents, Data: data, Header: nats.Header{}}
	msg.Header.Set(nats.MsgIdHdr, id)
	if s.mode.Load() == modeCore {
		if err := s.nc.PublishMsg(msg); err != nil {
			return err
		}
		return s.nc.FlushWithContext(ctx)
	}
	if doubt {
		if stored, err := s.isNewest(ctx, id); err != nil || stored {
			return err
		}
	}
	_, err := s.js.PublishMsg(ctx, msg)
	return err
}

// isNewest reports whether the newest message of the stream has this id. The
// outbox sends one event at a time, so one in doubt can only be the newest. It
// spares plain subscribers a repeat, and holds beyond the duplicate window.
func (s *eventStream) isNewest(ctx context.Context, id string) (bool, error) {
	stream, err := s.js.Stream(ctx, StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	msg, err := stream.GetLastMsgForSubject(ctx, SubjectEvents)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return msg.Header.Get(nats.MsgIdHdr) == id, nil
}

// permanent reports whether sending the same event again cannot succeed.
func permanent(err error) bool {
	if errors.Is(err, nats.ErrMaxPayload) {
		return true
	}
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.ErrorCode == apiMessageTooLarge
}

func noJetStream(err error) bool {
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}
