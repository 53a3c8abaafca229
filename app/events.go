package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/brockdb/brock/bus"
)

// Event is a final fact about a run, a table or the vault. [Decode] returns what it
// is about.
type Event = bus.Event

// EventType says what happened.
type EventType = bus.EventType

// The event types, and what [Decode] makes of them.
const (
	BackupStarted      = bus.BackupStarted      // a Run, of which little is known yet
	BackupComplete     = bus.BackupComplete     // a Run, also a partial one
	BackupFailed       = bus.BackupFailed       // a Run
	CompactionComplete = bus.CompactionComplete // a Compaction
	CompactionFailed   = bus.CompactionFailed   // a Compaction
	RecoveryComplete   = bus.RecoveryComplete   // a RestoredTable
	RecoveryFailed     = bus.RecoveryFailed     // a RestoredTable
	CorruptionDetected = bus.CorruptionDetected // a Corruption
	VerifyComplete     = bus.VerifyComplete     // a Report
	DrillComplete      = bus.DrillComplete      // a DrillReport
	DrillFailed        = bus.DrillFailed        // a DrillReport
	BackupStale        = bus.BackupStale        // a Staleness
	TableDegraded      = bus.TableDegraded      // a Degradation
)

// LostError says how many events a reader missed, because they are kept no longer.
type LostError = bus.LostError

// Events follows the hub's events: those since the given time first, where it is not
// zero and as far as they are kept, then what reaches NATS from now on. It listens
// when it returns, so that what the caller does next is in it, and the caller may read
// late.
//
// Read it with one loop. The loop ends with ctx; leaving it ends the listening, and so
// does the end of ctx. A [*LostError] says that events are missing, and more follow;
// any other error is the last pair: [ErrClosed] after the hub's close, [ErrInvalid] on
// an offline hub.
func (h *Hub) Events(ctx context.Context, since time.Time) iter.Seq2[Event, error] {
	sub, err := h.follow(ctx, since)
	return func(yield func(Event, error) bool) {
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer sub.Close()
		for {
			e, err := sub.Next(ctx)
			if ctx.Err() != nil || !yield(e, h.closedBus(err)) || ends(err) {
				return
			}
		}
	}
}

func (h *Hub) follow(ctx context.Context, since time.Time) (*bus.Subscription[Event], error) {
	if h.bus == nil {
		return nil, fmt.Errorf("%w: an offline hub has no events to follow", ErrInvalid)
	}
	sub, err := h.bus.Subscribe(ctx, bus.SubscribeOptions{Since: since})
	return sub, h.closedBus(err)
}

// ends says whether nothing comes after the error.
func ends(err error) bool {
	var lost *LostError
	return err != nil && !errors.As(err, &lost)
}

// closedBus makes the bus's error of a close match the hub's too.
func (h *Hub) closedBus(err error) error {
	if errors.Is(err, bus.ErrClosed) {
		return fmt.Errorf("hub %s: %w (%w)", h.cfg.Name, ErrClosed, err)
	}
	return err
}

// Corruption is what [CorruptionDetected] tells.
type Corruption struct {
	Table  string `json:"table"`
	File   string `json:"file"`   // "" where it is not known
	Offset int64  `json:"offset"` // in bytes; 0 where it is not known
	Error  string `json:"error"`
}

// Details are what events are about.
type Details interface {
	Run | Compaction | RestoredTable | Corruption | Report | DrillReport | Degradation | Staleness
}

// Decode returns what an event is about; the error matches [ErrInvalid] when an event
// of this type is about something else.
func Decode[T Details](e Event) (detail T, err error) {
	if !slices.Contains(typesOf(detail), e.Type) {
		return detail, fmt.Errorf("%w: event %s is about no %T", ErrInvalid, e.Type, detail)
	}
	return detail, e.Decode(&detail)
}

func typesOf(detail any) []EventType {
	switch detail.(type) {
	case Run:
		return []EventType{BackupStarted, BackupComplete, BackupFailed}
	case Compaction:
		return []EventType{CompactionComplete, CompactionFailed}
	case RestoredTable:
		return []EventType{RecoveryComplete, RecoveryFailed}
	case Corruption:
		return []EventType{CorruptionDetected}
	case Report:
		return []EventType{VerifyComplete}
	case Degradation:
		return []EventType{TableDegraded}
	case DrillReport:
		return []EventType{DrillComplete, DrillFailed}
	case Staleness:
		return []EventType{BackupStale}
	}
	return nil
}
