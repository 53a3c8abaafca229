package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	readerHeartbeat = 5 * time.Second
	readerExpiry    = 30 * time.Second
	readerIdle      = 5 * time.Minute // the server forgets a consumer after this
)

// reader reads the event stream in order from a place on, through ephemeral
// consumers that it replaces when the connection or a message is lost. It does
// what jetstream.OrderedConsumer does, but stops when its context ends (that
// one can hang for seconds during an outage), keeps its place when the outage
// comes before the first message, and notices a stream that was made anew.
// One goroutine uses it.
type reader struct {
	nc          *Conn
	js          jetstream.JetStream
	log         *slog.Logger
	next        uint64    // stream sequence to go on with; 0 until known
	since       time.Time // where to begin while next is 0
	made        time.Time // when the stream was; one that was made later counts from 1 again
	headersOnly bool

	cur *consumption // nil when a consumer must be made
}

// consumption is one consumer's life.
type consumption struct {
	iter jetstream.MessagesContext
	ctx  context.Context // ends with the reader's, or when the connection breaks
	end  func()
	last uint64 // consumer sequence of the last message
}

// position tells where in the stream a message was.
type position struct {
	seq     uint64 // in the stream
	missing uint64 // messages that retention removed before it
	pending uint64 // messages in the stream after it
}

// read returns the next message. It only fails when ctx ends or the connection
// is closed for good.
func (r *reader) read(ctx context.Context) (jetstream.Msg, position, error) {
	delay := retryFirst
	for {
		msg, pos, err := r.try(ctx)
		if err == nil {
			return msg, pos, nil
		}
		r.stop()
		if ctx.Err() != nil || r.nc.IsClosed() {
			return nil, position{}, ErrClosed
		}
		if !r.nc.IsConnected() {
			awaitConnected(ctx, r.nc)
			delay = retryFirst
			continue
		}
		r.log.Debug("event stream reader starts over", "next", r.next, "error", err)
		select {
		case <-time.After(delay):
			delay = min(2*delay, readerHeartbeat)
		case <-ctx.Done():
		}
	}
}

func (r *reader) try(ctx context.Context) (jetstream.Msg, position, error) {
	if r.cur == nil {
		if err := r.open(ctx); err != nil {
			return nil, position{}, err
		}
	}
	msg, err := r.cur.iter.Next(jetstream.NextContext(r.cur.ctx))
	if err != nil {
		return nil, position{}, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, position{}, err
	}
	if meta.Sequence.Consumer != r.cur.last+1 {
		return nil, position{}, errors.New("bus: a message of the stream was lost on its way")
	}
	r.cur.last++
	pos := position{seq: meta.Sequence.Stream, pending: meta.NumPending}
	if r.next > 0 && pos.seq > r.next {
		pos.missing = pos.seq - r.next
	}
	r.next = pos.seq + 1
	return msg, pos, nil
}

// open makes a consumer at the reader's place.
func (r *reader) open(ctx context.Context) error {
	cur := &consumption{}
	cur.ctx, cur.end = whileConnected(ctx, r.nc) // before the consumer is made, so that no break is missed
	if !r.nc.IsConnected() {
		cur.end()
		return errDisconnected
	}
	iter, err := r.consume(cur.ctx)
	if err != nil {
		cur.end()
		return err
	}
	cur.iter = iter
	r.cur = cur
	return nil
}

func (r *reader) consume(ctx context.Context) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := r.js.Stream(ctx, StreamName)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	anew := !r.made.IsZero() && !r.made.Equal(info.Created)
	if last := info.State.LastSeq; r.next > 0 && (anew || r.next > last+1) {
		r.log.Warn("the event stream was made anew; reading it from its start", "expected", r.next, "last", last)
		r.next = 1
	}
	r.made = info.Created
	consumer, err := r.js.CreateConsumer(ctx, StreamName, r.config())
	if err != nil {
		return nil, err
	}
	return consumer.Messages(
		jetstream.PullExpiry(readerExpiry),
		jetstream.PullHeartbeat(readerHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true),
	)
}

func (r *reader) config() jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		FilterSubject:     SubjectEvents,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		HeadersOnly:       r.headersOnly,
		InactiveThreshold: readerIdle,
		DeliverPolicy:     jetstream.DeliverAllPolicy,
	}
	switch {
	case r.next > 0:
		cfg.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		cfg.OptStartSeq = r.next
	case !r.since.IsZero():
		cfg.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		cfg.OptStartTime = &r.since
	}
	return cfg
}

// stop ends the current consumer; the server forgets it by itself.
func (r *reader) stop() {
	if r.cur == nil {
		return
	}
	r.cur.iter.Stop()
	r.cur.end()
	r.cur = nil
}
