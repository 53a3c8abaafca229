package bus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

func TestEventsArriveLive(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	hub, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	viewer, err := w.client(Viewer).Events(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	publish(t, b, 1, 20)
	expect(t, hub, 1, 20)
	expect(t, viewer, 1, 20)
	require.NoError(t, b.Flush(w.ctx()))
	require.Equal(t, Status{Connected: true, Stream: true, Sent: 20}, b.Status())
	w.stored(20)
}

// Invariant 8: NATS being down stops nothing, and the events arrive afterwards.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	viewer, err := w.client(Viewer).Events(w.ctx(), SubscribeOptions{}) // no message before the outage
	require.NoError(t, err)
	for round := range 3 {
		from := round*10 + 1
		require.NoError(t, w.server.Stop(w.ctx()))
		publish(t, b, from, from+8)
		require.Equal(t, 9, b.Status().Pending)
		require.NoError(t, w.server.Restart(w.ctx()))
		publish(t, b, from+9, from+9)
		require.NoError(t, b.Flush(w.ctx()))
		expect(t, viewer, from, from+9)
	}
	w.stored(30)
	require.Zero(t, viewer.Dropped())
}

// Events wait for the next process when this one ends during an outage.
func TestOutageAcrossRestart(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	publish(t, b, 1, 2)
	require.NoError(t, b.Flush(w.ctx()))
	require.NoError(t, w.server.Stop(w.ctx()))
	publish(t, b, 3, 5)
	short, cancel := context.WithTimeout(w.ctx(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Close(short), context.DeadlineExceeded)
	require.ErrorIs(t, b.Publish(event(t, 6)), ErrClosed)

	require.NoError(t, w.server.Restart(w.ctx()))
	b = w.bus()
	publish(t, b, 6, 6)
	require.NoError(t, b.Flush(w.ctx()))
	w.stored(6)
}

// A kill between the server's ack and the removal of the file, before and after
// the delivery was noted.
func TestKilledBeforeRemoval(t *testing.T) {
	for _, noted := range []bool{true, false} {
		t.Run(fmt.Sprintf("noted=%v", noted), func(t *testing.T) {
			w := newWorld(t)
			viewer := w.raw(Viewer)
			plain, err := viewer.SubscribeSync(SubjectEvents)
			require.NoError(t, err)
			require.NoError(t, viewer.Flush())
			b := w.bus()
			first := event(t, 1)
			require.NoError(t, b.Publish(first))
			require.NoError(t, b.Flush(w.ctx()))
			require.NoError(t, b.Close(w.ctx()))

			data, err := first.MarshalJSON()
			require.NoError(t, err)
			require.NoError(t, outboxDir{w.outbox, systemFiles{}}.writeEvent(1, data)) // the file is back
			if !noted {
				require.NoError(t, os.Remove(filepath.Join(w.outbox, ackedName)))
			}
			b = w.bus()
			publish(t, b, 2, 2)
			require.NoError(t, b.Flush(w.ctx()))
			w.stored(2)
			for n := 1; n <= 2; n++ { // plain subscribers see no repeat either
				msg, err := plain.NextMsg(patience)
				require.NoError(t, err)
				var e Event
				require.NoError(t, e.UnmarshalJSON(msg.Data))
				require.Equal(t, n, number(t, e))
			}
		})
	}
}

func TestStreamComesBackWhenItsStoreIsLost(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	s, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	publish(t, b, 1, 5)
	expect(t, s, 1, 5)
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, os.RemoveAll(w.server.cfg.StoreDir))
	require.NoError(t, w.server.Restart(w.ctx()))
	publish(t, b, 6, 7)
	expect(t, s, 6, 7)
	require.NoError(t, b.Flush(w.ctx()))
}

func TestViewerReplays(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	ids := publish(t, b, 1, 10)
	require.NoError(t, b.Flush(w.ctx()))
	c := w.client(Viewer)
	type replay struct {
		name string
		from int
		s    *Subscription[Event]
	}
	var replays []replay
	for _, tc := range []struct {
		name string
		opts SubscribeOptions
		from int
	}{
		{"all", SubscribeOptions{All: true}, 1},
		{"last", SubscribeOptions{Last: 3}, 8},
		{"more than there are", SubscribeOptions{Last: 99}, 1},
		{"since", SubscribeOptions{Since: time.Now().Add(-time.Hour)}, 1},
		{"since the year 0, in a zone that JSON has not", SubscribeOptions{Since: time.Date(0, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600))}, 1},
		{"since a zone that JSON has not", SubscribeOptions{Since: time.Now().Add(-time.Hour).In(time.FixedZone("", 24*3600))}, 1},
		{"since the year 3000", SubscribeOptions{Since: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}, 11},
		{"since the year 10000", SubscribeOptions{Since: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, 11},
		{"after id", SubscribeOptions{AfterID: ids[3]}, 5},
		{"after the newest id", SubscribeOptions{AfterID: ids[9]}, 11},
		{"after an unknown id", SubscribeOptions{AfterID: "unknown"}, 1},
		{"live", SubscribeOptions{}, 11},
	} {
		s, err := c.Events(w.ctx(), tc.opts)
		require.NoError(t, err, tc.name)
		defer s.Close()
		replays = append(replays, replay{tc.name, tc.from, s})
	}
	publish(t, b, 11, 11) // comes next, so that what is too much comes before it
	for _, r := range replays {
		t.Run(r.name, func(t *testing.T) { expect(t, r.s, r.from, 11) })
	}
	_, err := c.Events(w.ctx(), SubscribeOptions{All: true, Last: 1})
	require.ErrorIs(t, err, ErrConfig)
}

// The stock client's ordered consumer works for the viewer.
func TestViewerReplaysWithStockClient(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	publish(t, b, 1, 5)
	require.NoError(t, b.Flush(w.ctx()))
	nc := w.raw(Viewer)
	js, err := jetstream.New(nc.Conn)
	require.NoError(t, err)
	consumer, err := js.OrderedConsumer(w.ctx(), StreamName, jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	batch, err := consumer.Fetch(5)
	require.NoError(t, err)
	n := 0
	for msg := range batch.Messages() {
		n++
		var e Event
		require.NoError(t, e.UnmarshalJSON(msg.Data()))
		require.Equal(t, n, number(t, e))
	}
	require.Equal(t, 5, n)
	nc.allowed("ordered consumer")
}
