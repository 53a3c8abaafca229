package bus

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestProgress(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	hub, err := b.SubscribeProgress(w.ctx(), 0)
	require.NoError(t, err)
	viewer, err := w.client(Viewer).Progress(w.ctx())
	require.NoError(t, err)
	for n := range int64(10) {
		b.Progress(Progress{Run: "r", Table: "t", Stage: "copy", Done: n, Total: 10})
	}
	for _, s := range []*Subscription[Progress]{hub, viewer} {
		for n := range int64(10) {
			p, err := s.Next(w.ctx())
			require.NoError(t, err)
			require.Equal(t, n, p.Done)
		}
	}
	w.stored(0) // not in the stream
}

// Progress never waits, whatever NATS does.
func TestProgressDuringOutage(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	require.NoError(t, w.server.Stop(w.ctx()))
	// Until the client has noticed, it takes what it is given.
	eventually(t, "the client has noticed", func() bool { return !b.Status().Connected })
	for range 10 * senderBuffer {
		b.Progress(Progress{})
	}
	eventually(t, "all are dropped", func() bool { return b.Status().ProgressDropped == 10*senderBuffer })
	require.False(t, b.Status().Connected)
}

func TestSlowSubscribersBlockNobody(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	slow, err := b.Subscribe(w.ctx(), SubscribeOptions{Buffer: 1})
	require.NoError(t, err)
	slowProgress, err := b.SubscribeProgress(w.ctx(), 4)
	require.NoError(t, err)
	publish(t, b, 1, 50)
	require.NoError(t, b.Flush(w.ctx()))
	for n := range int64(100) {
		b.Progress(Progress{Done: n})
	}
	eventually(t, "progress was dropped", func() bool { return slowProgress.Dropped() == 96 })

	_, err = slowProgress.Next(w.ctx())
	var lost *LostError
	require.ErrorAs(t, err, &lost)
	require.EqualValues(t, 96, lost.Lost)
	p, err := slowProgress.Next(w.ctx()) // and then the newest
	require.NoError(t, err)
	require.EqualValues(t, 96, p.Done)
	expect(t, slow, 1, 50) // the stream kept them
	require.Zero(t, slow.Dropped())
}

// What retention took from a slow reader is told.
func TestReaderIsToldOfRetention(t *testing.T) {
	w := newWorld(t)
	b := w.open(Config{Server: w.server, MaxBytes: 16 << 10})
	pad := strings.Repeat("x", 1<<10)
	for range 40 {
		e, err := NewEvent(BackupComplete, testHub, time.Now(), map[string]string{"pad": pad})
		require.NoError(t, err)
		require.NoError(t, b.Publish(e))
	}
	require.NoError(t, b.Flush(w.ctx()))
	r := &reader{nc: b.events, js: b.stream.js, log: b.log, next: 2} // it had read the first
	defer r.stop()
	_, pos, err := r.read(w.ctx())
	require.NoError(t, err)
	require.Positive(t, pos.missing)
	require.Equal(t, pos.seq-2, pos.missing)
}

func TestSubscriptionEnds(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	ctx, cancel := context.WithCancel(w.ctx())
	s, err := b.Subscribe(ctx, SubscribeOptions{})
	require.NoError(t, err)
	short, stop := context.WithCancel(w.ctx())
	stop()
	_, err = s.Next(short)
	require.ErrorIs(t, err, context.Canceled) // the reader's patience, not the end
	cancel()
	_, err = s.Next(w.ctx())
	require.ErrorIs(t, err, ErrClosed)
	s.Close()
	s.Close()

	s, err = b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	require.NoError(t, b.Close(w.ctx()))
	_, open := <-s.C()
	require.False(t, open)
	_, err = b.Subscribe(w.ctx(), SubscribeOptions{})
	require.ErrorIs(t, err, ErrClosed)
	_, err = b.SubscribeProgress(w.ctx(), 0)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, b.Serve(ServiceConfig{Version: "1.0.0"}), ErrClosed)
	b.Progress(Progress{})
	require.ErrorIs(t, b.Publish(event(t, 1)), ErrClosed)
}

func TestCloseTwiceAndAtOnce(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	serve(t, b, Endpoint{Name: "health", Handler: answer(nil)})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() { _ = b.Publish(event(t, n)) })
		wg.Go(func() { b.Progress(Progress{}) })
		wg.Go(func() { _ = b.Close(w.ctx()) })
		wg.Go(func() { b.StopRequests() })
		wg.Go(func() { b.Status() })
		wg.Go(func() {
			if s, err := b.Subscribe(w.ctx(), SubscribeOptions{}); err == nil {
				<-s.done
			}
		})
	}
	wg.Wait()
	require.NoError(t, b.Close(w.ctx()))
	require.True(t, b.events.IsClosed())
	require.True(t, b.requests.IsClosed())
}

func TestConfigIsChecked(t *testing.T) {
	w := newWorld(t)
	for name, cfg := range map[string]Config{
		"nothing to connect to": {Hub: testHub, OutboxDir: w.outbox},
		"no outbox":             {Hub: testHub, Server: w.server},
		"no hub":                {OutboxDir: w.outbox, Server: w.server},
		"both":                  {Hub: testHub, OutboxDir: w.outbox, Server: w.server, Conn: &nats.Conn{}},
	} {
		_, err := Open(w.ctx(), cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	require.ErrorIs(t, w.bus().Publish(Event{}), ErrBadEvent)
}

// plainServer is somebody else's NATS, without JetStream.
func plainServer(t *testing.T, opts natsserver.Options) *nats.Conn {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", natsserver.RANDOM_PORT, true, true
	ns, err := natsserver.NewServer(&opts)
	require.NoError(t, err)
	ns.Start()
	require.True(t, ns.ReadyForConnections(patience))
	nc, err := nats.Connect(ns.ClientURL())
	require.NoError(t, err)
	t.Cleanup(func() {
		nc.Close()
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	return nc
}

func TestBringYourOwnWithoutJetStream(t *testing.T) {
	w := newWorld(t)
	for _, coreOnly := range []bool{false, true} {
		nc := plainServer(t, natsserver.Options{})
		b := w.open(Config{Conn: nc, CoreOnly: coreOnly, OutboxDir: t.TempDir()})
		s, err := b.Subscribe(w.ctx(), SubscribeOptions{})
		require.NoError(t, err)
		_, err = b.Subscribe(w.ctx(), SubscribeOptions{All: true})
		require.ErrorIs(t, err, ErrNoStream)
		publish(t, b, 1, 10)
		expect(t, s, 1, 10)
		serve(t, b, Endpoint{Name: "health", Handler: answer("ok")})
		msg, err := nc.RequestWithContext(w.ctx(), "brock.alpha.health", nil)
		require.NoError(t, err)
		require.Equal(t, `"ok"`, string(msg.Data))
		require.False(t, b.Status().Stream)
		require.NoError(t, b.Close(w.ctx()))
		require.True(t, nc.IsConnected()) // it is not ours
	}
}

func TestBringYourOwnWithJetStream(t *testing.T) {
	w := newWorld(t)
	nc := plainServer(t, natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	js, err := nc.JetStream()
	require.NoError(t, err)
	_, err = js.AddStream(&nats.StreamConfig{Name: "OTHER", Subjects: []string{"backups.>", "backups"}})
	require.NoError(t, err)
	b := w.open(Config{Conn: nc}) // the subject is taken by another stream
	s, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	publish(t, b, 1, 3)
	expect(t, s, 1, 3)
	require.NoError(t, b.Flush(w.ctx()))
	info, err := js.StreamInfo("OTHER")
	require.NoError(t, err)
	require.EqualValues(t, 3, info.State.Msgs)

	s.Close()                                    // while somebody listens, a publish without a stream is a timeout, not "no responders"
	require.NoError(t, js.DeleteStream("OTHER")) // now it is ours
	publish(t, b, 4, 4)
	require.NoError(t, b.Flush(w.ctx()))
	info, err = js.StreamInfo(StreamName)
	require.NoError(t, err)
	require.EqualValues(t, 1, info.State.Msgs)
	require.Equal(t, []string{SubjectEvents}, info.Config.Subjects)
	require.Equal(t, DefaultMaxAge, info.Config.MaxAge)
	require.EqualValues(t, DefaultMaxBytes, info.Config.MaxBytes)
}

// An event that the server will never take must not hold up the others.
func TestEventTooLargeForTheServer(t *testing.T) {
	w := newWorld(t)
	nc := plainServer(t, natsserver.Options{MaxPayload: 1 << 10, JetStream: true, StoreDir: t.TempDir()})
	b := w.open(Config{Conn: nc})
	s, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	big, err := NewEvent(BackupComplete, testHub, time.Now(), map[string]string{"pad": strings.Repeat("x", 2<<10)})
	require.NoError(t, err)
	require.NoError(t, b.Publish(big))
	publish(t, b, 1, 1)
	expect(t, s, 1, 1)
	require.EqualValues(t, 1, b.Status().Rejected)
}

func TestRecent(t *testing.T) {
	r := newRecent(2)
	require.True(t, r.add("a"))
	require.False(t, r.add("a"))
	require.True(t, r.add("b"))
	require.True(t, r.add("c"))
	require.True(t, r.add("a"))
	require.False(t, r.add("c"))
	require.Len(t, r.ids, 2)
}
