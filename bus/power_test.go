package bus

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// memFiles are files on a file system of tests, as package app has them on its own.
type memFiles struct{ disk.FS }

func (f memFiles) ReadFile(name string) ([]byte, error) { return disk.ReadFile(f.FS, name) }
func (f memFiles) WriteAtomic(name string, data []byte) error {
	return disk.WriteAtomic(f.FS, name, data)
}

// published is what is known of an event, by steps; 0: not yet.
type published struct {
	id                       string
	kept, sending, delivered int
}

// Wherever the power goes: an event whose publishing returned is delivered, in order;
// one whose delivery was noted is not delivered again.
func TestPowerOutbox(t *testing.T) {
	disktest.Power(t, func(t *testing.T, seed uint64) disktest.Life {
		rec, err := disktest.Record(&disktest.Mem{}, disktest.Options{})
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(seed, 1))
		var events []*published
		send := func(_ context.Context, id string, _ []byte, _ bool) error {
			i := slices.IndexFunc(events, func(p *published) bool { return p.id == id })
			events[i].sending = rec.Steps() + 1
			return nil
		}
		o := openOn(t, rec, send)
		for range 60 {
			switch seq, waits, _ := o.head(); {
			case waits && rng.IntN(2) == 0:
				require.NoError(t, o.deliver(t.Context(), seq, false))
				for _, p := range events {
					if p.sending > 0 && p.delivered == 0 {
						p.delivered = rec.Steps()
					}
				}
			case rng.IntN(8) == 0:
				o = openOn(t, rec, send)
			default:
				e := event(t, len(events))
				data, err := e.MarshalJSON()
				require.NoError(t, err)
				events = append(events, &published{id: e.ID})
				require.NoError(t, o.add(data))
				events[len(events)-1].kept = rec.Steps()
			}
		}
		return disktest.Life{Recorder: rec, Start: func(fsys disk.FS, step int) (func() error, error) { return delivers(t, fsys, step, events) }}
	})
}

func openOn(t *testing.T, fsys disk.FS, send sendFunc) *outbox {
	t.Helper()
	o, err := openOutbox("/data/events", memFiles{fsys}, 0, send, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return o
}

// delivers opens the outbox on what is left and looks at what it would deliver.
func delivers(t *testing.T, fsys disk.FS, step int, events []*published) (next func() error, err error) {
	o, err := openOutbox("/data/events", memFiles{fsys}, 0, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	last := -1
	waiting := map[string]bool{}
	for _, seq := range o.queue {
		id, _, err := o.dir.readEvent(seq)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(events, func(p *published) bool { return p.id == id })
		if i <= last {
			return nil, fmt.Errorf("event %d comes behind event %d", i, last)
		}
		last, waiting[id] = i, true
	}
	for i, p := range events {
		switch kept, sent, done := p.kept > 0 && p.kept <= step, p.sending > 0 && p.sending <= step, p.delivered > 0 && p.delivered <= step; {
		case kept && !sent && !waiting[p.id]:
			return nil, fmt.Errorf("event %d was published and is gone", i)
		case done && waiting[p.id]:
			return nil, fmt.Errorf("event %d was delivered, and is to be again", i)
		}
	}
	if _, stats := o.status(); stats.damaged > 0 {
		return nil, fmt.Errorf("%d events are damaged", stats.damaged)
	}
	return func() error {
		data, err := event(t, 1000).MarshalJSON()
		if err == nil {
			err = o.add(data)
		}
		return err
	}, nil
}
